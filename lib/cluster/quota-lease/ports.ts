import type { LeaseTerms } from './lease-terms';

/** The terms of a limit that follow from the configuration. */
export type OwnTerms = Pick<LeaseTerms, 'depthMs' | 'isDay'>;

/**
 * The bucket of one process, as its lease uses it. Its level is what the limiter in Redis holds plus the unused lease.
 */
export interface LeasedBucket {
  readonly depth: number;
  /** The largest bucket depth that a header has shown, in milliseconds of the limit; 0 if none has. */
  readonly observedDepthMs: number;
  /** Units per minute that the provider is assumed to allow now, rounded so that the number rarely changes. */
  readonly sharedLimit: number;
  /** Units at the bottom of the bucket that are not granted to calls. */
  readonly headroom: number;
  level(now: number): number;
  /** For a limit per day: the hour in which units taken at time `now` are counted. */
  hourAt?(now: number): number;
  /** For a limit per day: sets the units that all processes together have used, by hour. */
  setUsed?(hours: Iterable<readonly [hour: number, units: number]>): void;
  put(units: number, now: number): void;
  /** Sets the level. The difference from the old level is what peers have used. */
  syncLevel(level: number, now: number): void;
  /** Sets the share of the limit and the depth that this process may use; 1 for all of it. */
  setShare(share: number, level: number, now: number): void;
  /** Sets the bucket depth, in milliseconds of the limit, and the number of processes that share it. */
  setSharing(depthMs: number, members: number): void;
}

/** The limiter in Redis, in whole requests or tokens. Every method rejects while Redis is unreachable. */
export interface Reservoir {
  /**
   * Takes units, or returns them if negative, never above the maximum. Resolves to the level afterwards, which may be
   * negative.
   * @param hour The hour in which the units of a limit per day are counted.
   */
  take(units: number, hour: number): Promise<number>;
  /** @param limit Units per minute. */
  configure(terms: { readonly limit: number; readonly maximum: number }): Promise<void>;
  close?(): void;
}
