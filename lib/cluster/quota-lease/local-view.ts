/** The process's own reckoning of a limit: what the ledger holds, and the lease in hand. */
export interface LeasedBucket {
  readonly depth: number;
  /** The largest depth that a header has shown, in milliseconds of the limit; 0 without one. */
  readonly observedDepthMs: number;
  /** Units that stay untouched at the bottom. */
  readonly headroom: number;
  /** Units a millisecond that this process can reckon with. */
  readonly rate: number;
  /** The limit that the provider says, over the configured one; at most 1. */
  readonly limitShare: number;
  /** How far refusals have lowered the rate; at most 1. */
  readonly slowdown: number;
  level(now: number): number;
  put(units: number, now: number): void;
  /** The level is this. What it is off by is what other processes took. */
  syncLevel(level: number, now: number): void;
  /** From now on this part of the limit and of the depth is its own; 1 is all of it. */
  setShare(share: number, level: number, now: number): void;
  /** The depth, in milliseconds of the limit, and how many processes share it. */
  setSharing(depthMs: number, members: number): void;
}

/** The ledger in Redis, in units of its own. Every method rejects while Redis is away. */
export interface SharedLimiter {
  /** Takes, or gives back where negative; gives what is left, which may be below zero. */
  take(units: number): Promise<number>;
  configure(terms: { readonly rate: number; readonly maximum: number }): Promise<void>;
  level(): Promise<number>;
  close(): void;
}
