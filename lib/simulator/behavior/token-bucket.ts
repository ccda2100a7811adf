// Levels are sums of many small refills. Without this tolerance a bucket that holds one request may read 0.9999999999.
const ROUNDING = 1e-6;

/**
 * A token bucket with continuous refill. It starts full. `take` may lower the level below zero, for amounts that are
 * only known afterwards. Callers that check `fits` first take at most `depth + ratePerMs * t` in any window of t ms.
 */
export class TokenBucket {
  /** Refill rate per minute; Infinity for no limit. */
  readonly perMinute: number;
  /** Highest level. */
  readonly depth: number;
  /** Refill rate per millisecond. */
  readonly ratePerMs: number;
  #level: number;
  #refilledAt: number;

  /** Times are milliseconds on any monotonic clock, the same for all methods. */
  constructor(perMinute: number, depth: number, now: number) {
    this.perMinute = perMinute;
    this.depth = depth;
    this.ratePerMs = perMinute / 60_000;
    this.#level = depth;
    this.#refilledAt = now;
  }

  /** Whether the bucket has no limit. */
  get unlimited(): boolean {
    return this.perMinute === Infinity;
  }

  /** The level at `now`; negative while there is a debt. */
  level(now: number): number {
    if (this.unlimited) return Infinity;
    const elapsed = now - this.#refilledAt;
    if (elapsed > 0) {
      this.#level = Math.min(this.depth, this.#level + elapsed * this.ratePerMs);
      this.#refilledAt = now;
    }
    return this.#level;
  }

  /** Whether `amount` can be taken without a debt. */
  fits(amount: number, now: number): boolean {
    return this.level(now) + ROUNDING >= amount;
  }

  /** Takes `amount`, into debt if the level is lower. */
  take(amount: number, now: number): void {
    if (!this.unlimited) this.#level = this.level(now) - amount;
  }

  /** Takes `amount` or what is left of it, never into debt. */
  takeAvailable(amount: number, now: number): void {
    if (!this.unlimited) this.#level = Math.max(Math.min(0, this.level(now)), this.level(now) - amount);
  }

  /** Milliseconds until `amount` fits; Infinity if it exceeds the depth. */
  msUntil(amount: number, now: number): number {
    const missing = amount - this.level(now);
    if (missing <= ROUNDING) return 0;
    return amount > this.depth ? Infinity : missing / this.ratePerMs;
  }

  /** Milliseconds until the bucket is full. */
  msUntilFull(now: number): number {
    return this.unlimited ? 0 : (this.depth - this.level(now)) / this.ratePerMs;
  }
}
