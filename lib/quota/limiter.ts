import type { GrantRequest } from '../util/grant-request';
import type { Bucket } from './bucket';
import type { DayBucket } from './day-bucket';

/** The limiter in Redis behind one bucket. It is notified of each change after the bucket has made it. */
export interface SharedLimiter {
  /**
   * Milliseconds until `units` can be reserved.
   * @param bucketWaitMs The wait according to the bucket.
   */
  waitMs(units: number, bucketWaitMs: number, now: number): number;
  /** Requests units from Redis ahead of time for the next queued call, as other processes may compete for them. */
  prefetch(units: number, now: number): void;
  /**
   * Takes units for an attempt. Returns a request if the attempt must wait until Redis has decided, otherwise
   * undefined.
   */
  reserve(units: number): GrantRequest | undefined;
  /** Returns unused units that an attempt took at `takenAt`. */
  refund(units: number, takenAt: number): void;
  /** Takes further units for an attempt that used more than it had reserved. */
  overdraw(units: number): void;
  /** Applies a correction of the level from response headers, in units. */
  correct(units: number): void;
  /**
   * Takes units for code outside the balancer, whether they fit or not; a negative number gives units back. Updates the
   * bucket as well, then resolves to the units left for all processes. While Redis is unreachable, takes nothing and
   * resolves to undefined.
   */
  adjust(units: number): Promise<number | undefined>;
  close(): void;
}

/** Depth of a limiter, in milliseconds of refill at the limit, and whether its limit is per day. */
export interface LimiterTerms {
  readonly depthMs: number;
  readonly isDay: boolean;
}

/** Where the levels of a quota are kept: in this process, or in Redis. `id` names the quota and the limit. */
export interface LimiterStore {
  /** Returns undefined if the bucket alone decides. */
  open(id: string, bucket: Bucket | DayBucket, terms: LimiterTerms): SharedLimiter | undefined;
  /** Updates the terms of an open limiter, or applies the changed limit of its bucket. */
  configure(id: string, terms: LimiterTerms): void;
  /** Returns the time in milliseconds by which the hours of daily limits are counted. Default: performance.now(). */
  readonly clock?: () => number;
}

/** Keeps all levels in this process. */
export const IN_MEMORY: LimiterStore = { open: () => undefined, configure: () => undefined };
