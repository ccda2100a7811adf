// Levels are sums of many small refills; without this a bucket filled to exactly one request reads 0.9999999999.
const ROUNDING = 1e-6;

/**
 * A token bucket with continuous refill. It starts full. Its level may go below zero where the amount is only
 * known afterwards. In any window of t ms at most `depth + ratePerMs * t` is taken through `fits`.
 */
export class TokenBucket {
  readonly perMinute: number;
  readonly depth: number;
  readonly ratePerMs: number;
  #level: number;
  #refilledAt: number;

  constructor(perMinute: number, depth: number, now: number) {
    this.perMinute = perMinute;
    this.depth = depth;
    this.ratePerMs = perMinute / 60_000;
    this.#level = depth;
    this.#refilledAt = now;
  }

  get unlimited(): boolean {
    return this.perMinute === Infinity;
  }

  level(now: number): number {
    if (this.unlimited) return Infinity;
    const elapsed = now - this.#refilledAt;
    if (elapsed > 0) {
      this.#level = Math.min(this.depth, this.#level + elapsed * this.ratePerMs);
      this.#refilledAt = now;
    }
    return this.#level;
  }

  fits(amount: number, now: number): boolean {
    return this.level(now) + ROUNDING >= amount;
  }

  take(amount: number, now: number): void {
    if (!this.unlimited) this.#level = this.level(now) - amount;
  }

  /** Takes what is there, down to an empty bucket and no further. */
  burn(amount: number, now: number): void {
    if (!this.unlimited) this.#level = Math.max(Math.min(0, this.level(now)), this.level(now) - amount);
  }

  /** Milliseconds until `amount` fits; Infinity if it never does. */
  msUntil(amount: number, now: number): number {
    const missing = amount - this.level(now);
    if (missing <= ROUNDING) return 0;
    return amount > this.depth ? Infinity : missing / this.ratePerMs;
  }

  msUntilFull(now: number): number {
    return this.unlimited ? 0 : (this.depth - this.level(now)) / this.ratePerMs;
  }
}
