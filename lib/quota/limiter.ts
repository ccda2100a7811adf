import type { GrantRequest } from '../cluster/quota-lease/grant-request';
import type { Bucket } from './bucket';
import { type DayLimit, MemoryDayLimit } from './day-limit';

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
  /** Units that an attempt had taken are not needed. */
  refund(units: number): void;
  /** An attempt used more than it had taken. */
  overdraw(units: number): void;
  /** Headers have corrected the level by these units. */
  correct(units: number): void;
  close(): void;
}

/** A limit in units per minute, and how much of it can be saved up, in milliseconds of the limit. */
interface LimiterTerms {
  readonly limit: number;
  readonly depthMs: number;
}

/** Where the levels of a quota are kept: in this process, or in Redis. `id` names the quota and the dimension. */
export interface LimiterStore {
  /** Undefined if the bucket alone decides. */
  open(id: string, bucket: Bucket, terms: LimiterTerms): SharedLimiter | undefined;
  /** The limit of an open limiter has changed. */
  configure(id: string, terms: LimiterTerms): void;
  openDayLimit(id: string, limit: number): DayLimit;
}

/** In this process. */
export const IN_MEMORY: LimiterStore = {
  open: () => undefined,
  configure: () => undefined,
  openDayLimit: (_id, limit) => new MemoryDayLimit(limit),
};
