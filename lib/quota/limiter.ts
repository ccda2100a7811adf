import type { GrantRequest } from '../util/grant-request';
import type { Bucket } from './bucket';
import type { DayBucket } from './day-bucket';

/** The limiter in Redis behind one bucket. It receives each change after the bucket has made it. */
export interface SharedLimiter {
  /**
   * Milliseconds until the units can be reserved.
   * @param bucketWaitMs What the bucket says.
   */
  waitMs(units: number, bucketWaitMs: number, now: number): number;
  /** The next call of a queue waits for these units, and several processes may compete for them. */
  prefetch(units: number, now: number): void;
  /** An attempt takes units. Returns a request if it must wait for the answer of Redis. */
  reserve(units: number): GrantRequest | undefined;
  /** Units that an attempt had taken at that time are not needed. */
  refund(units: number, takenAt: number): void;
  /** An attempt used more than it had taken. */
  overdraw(units: number): void;
  /** Headers have corrected the level by these units. */
  correct(units: number): void;
  /**
   * Other code takes units, whether they fit or not, or gives them back if negative. Resolves to what is left for all
   * processes, once the bucket has it too; to undefined, with nothing taken, while Redis is unreachable.
   */
  adjust(units: number): Promise<number | undefined>;
  close(): void;
}

/** How much of a limit can be saved up, in milliseconds of the limit, and whether it is one per day. */
export interface LimiterTerms {
  readonly depthMs: number;
  readonly isDay: boolean;
}

/** Where the levels of a quota are kept: in this process, or in Redis. `id` names the quota and the limit. */
export interface LimiterStore {
  /** Undefined if the bucket alone decides. */
  open(id: string, bucket: Bucket | DayBucket, terms: LimiterTerms): SharedLimiter | undefined;
  /** An open limiter has other terms, or its bucket another limit. */
  configure(id: string, terms: LimiterTerms): void;
  /** Milliseconds on the clock by which the hours of a day are counted. Absent for that of performance.now(). */
  readonly clock?: () => number;
}

/** In this process. */
export const IN_MEMORY: LimiterStore = { open: () => undefined, configure: () => undefined };
