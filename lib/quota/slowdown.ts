/** A refusal lowers the factor to this share, at most this often, and it recovers this fast. */
const SHARE = 0.8;
const INTERVAL_MS = 2_000;
const RECOVERY_PER_MS = 0.3 / 60_000;

/** The factor by which refusals without headers lower the refill of a bucket: the real limit is lower than configured. */
export class Slowdown {
  #factor = 1;
  #slowedAt = -Infinity;

  /** At most 1. */
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
