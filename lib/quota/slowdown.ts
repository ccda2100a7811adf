/**
 * A refusal multiplies the factor by SHARE, at most once per INTERVAL_MS. The factor then recovers by RECOVERY_PER_MS.
 */
const SHARE = 0.8;
const INTERVAL_MS = 2_000;
const RECOVERY_PER_MS = 0.3 / 60_000;

/**
 * A factor on the refill of a bucket. A 429 without rate-limit headers lowers the factor, because the real limit must
 * be lower than the configured one.
 */
export class Slowdown {
  #factor = 1;
  #slowedAt = -Infinity;

  /** Factor on the refill rate, at most 1. */
  get factor(): number {
    return this.#factor;
  }

  recordRefusal(now: number): void {
    if (now - this.#slowedAt < INTERVAL_MS) return;
    this.#factor *= SHARE;
    this.#slowedAt = now;
  }

  /** Returns whether the factor has changed. */
  recover(elapsedMs: number): boolean {
    if (this.#factor === 1) return false;
    this.#factor = Math.min(1, this.#factor + elapsedMs * RECOVERY_PER_MS);
    return true;
  }
}
