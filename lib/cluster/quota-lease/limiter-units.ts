import type { LeasedBucket } from './ports';

/** Units of the limiter per request or token. Redis counts whole numbers: 1 per minute becomes 1 unit per millisecond. */
const UNITS_PER_ONE = 60_000;

/** Converts between requests or tokens and the limiter's units, which are whole and relate to the configured limit. */
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

  /** What units cost. Refusals that no header explains raise the cost, which lowers the rate for all processes. */
  cost(units: number): number {
    return Math.ceil((units * UNITS_PER_ONE) / (this.#bucket.limitShare * this.#bucket.slowdown));
  }
}
