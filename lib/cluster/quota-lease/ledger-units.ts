import type { LeasedBucket } from './local-view';

/**
 * Units of the ledger in one request or token. Redis counts in whole numbers, and this makes a limit of one a minute a
 * refill of one a millisecond.
 */
const UNITS_PER_ONE = 60_000;

/** Between a process's units and the ledger's, which are whole, and count in the configured limit. */
export class LimiterUnits {
  readonly #bucket: Pick<LeasedBucket, 'limitShare' | 'slowdown'>;

  constructor(bucket: Pick<LeasedBucket, 'limitShare' | 'slowdown'>) {
    this.#bucket = bucket;
  }

  toLimiter(units: number): number {
    return Math.ceil((units * UNITS_PER_ONE) / this.#bucket.limitShare);
  }

  fromLimiter(units: number): number {
    return (units / UNITS_PER_ONE) * this.#bucket.limitShare;
  }

  /** After refusals that no header explains each unit costs more: that is how the rate is lowered for everybody. */
  cost(units: number): number {
    return Math.ceil((units * UNITS_PER_ONE) / (this.#bucket.limitShare * this.#bucket.slowdown));
  }
}
