/** The bucket of one process, as far as its lease needs it: what the shared limiter holds, and the unused lease. */
export interface LeasedBucket {
  readonly depth: number;
  /** The largest depth that a header has shown, in milliseconds of the limit; 0 without one. */
  readonly observedDepthMs: number;
  /** Units at the bottom that are not handed out. */
  readonly headroom: number;
  /** Units per millisecond that this process can expect. */
  readonly rate: number;
  /** The limit that the provider states, relative to the configured one; at most 1. */
  readonly limitShare: number;
  /** How far refusals have lowered the rate; at most 1. */
  readonly slowdown: number;
  level(now: number): number;
  put(units: number, now: number): void;
  /** Sets the level. The difference is what peers have used. */
  syncLevel(level: number, now: number): void;
  /** Sets the part of limit and depth that is this process's own; 1 for all of it. */
  setShare(share: number, level: number, now: number): void;
  /** Sets the depth, in milliseconds of the limit, and how many processes share it. */
  setSharing(depthMs: number, members: number): void;
}

/** The limiter in Redis, in whole units of its own. Every method rejects while Redis is unreachable. */
export interface SharedLimiter {
  /** Takes units, or returns them if negative. Resolves to what is left, which may be below zero. */
  take(units: number): Promise<number>;
  /** @param rate Units per millisecond. */
  configure(terms: { readonly rate: number; readonly maximum: number }): Promise<void>;
  close(): void;
}

/** Units of the limiter per request or token. Redis counts whole numbers: 1 per minute becomes 1 unit per millisecond. */
const UNITS_PER_ONE = 60_000;

/** Requests or tokens in units of the limiter, which are whole and relate to the configured limit. */
export function toLimiter({ limitShare }: LeasedBucket, units: number): number {
  return Math.ceil((units * UNITS_PER_ONE) / limitShare);
}

export function fromLimiter({ limitShare }: LeasedBucket, units: number): number {
  return (units / UNITS_PER_ONE) * limitShare;
}

/** What units cost. Refusals that no header explains raise the cost, which lowers the rate for all processes. */
export function costInLimiter({ limitShare, slowdown }: LeasedBucket, units: number): number {
  return Math.ceil((units * UNITS_PER_ONE) / (limitShare * slowdown));
}
