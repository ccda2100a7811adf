import type { LeaseTerms } from './lease-terms';

/** What the configuration says of a limit. */
export type OwnTerms = Pick<LeaseTerms, 'depthMs' | 'isDay'>;

/** The bucket of one process, as far as its lease needs it: what the limiter in Redis holds, and the unused lease. */
export interface LeasedBucket {
  readonly depth: number;
  /** The largest depth that a header has shown, in milliseconds of the limit; 0 without one. */
  readonly observedDepthMs: number;
  /** Units per minute that the provider is taken to allow now, rounded so that it changes seldom. */
  readonly sharedLimit: number;
  /** Units at the bottom that are not handed out. */
  readonly headroom: number;
  level(now: number): number;
  /** Of a limit per day: the hour in which units that are taken then are counted. */
  hourAt?(now: number): number;
  /** Of a limit per day: what all processes together have used. */
  setUsed?(hours: Iterable<readonly [hour: number, units: number]>): void;
  put(units: number, now: number): void;
  /** Sets the level. The difference is what peers have used. */
  syncLevel(level: number, now: number): void;
  /** Sets the part of limit and depth that is this process's own; 1 for all of it. */
  setShare(share: number, level: number, now: number): void;
  /** Sets the depth, in milliseconds of the limit, and how many processes share it. */
  setSharing(depthMs: number, members: number): void;
}

/** The limiter in Redis, in whole requests or tokens. Every method rejects while Redis is unreachable. */
export interface Reservoir {
  /**
   * Takes units, or returns them if negative, never above the maximum. Resolves to what is left, which may be below zero.
   * @param hour In which they count, in a limit per day.
   */
  take(units: number, hour: number): Promise<number>;
  /** @param limit Units per minute. */
  configure(terms: { readonly limit: number; readonly maximum: number }): Promise<void>;
  close?(): void;
}
