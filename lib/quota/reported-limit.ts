/** How long a reported limit applies after headers last showed it, in milliseconds. */
const MEMORY_MS = 45_000;

/**
 * A limit in the provider's headers that is lower than the configured one. It may be wrong, so it expires after a
 * while: the next response then shows whether it still applies.
 */
export class ReportedLimit {
  #share = 1;
  #shownAt = -Infinity;
  #loweredAt = -Infinity;

  /** The reported limit divided by the configured one; at most 1. */
  get share(): number {
    return this.#share;
  }

  /** @param share The reported limit divided by the configured one. */
  observe(share: number, now: number): void {
    if (share < this.#share) this.#loweredAt = now;
    this.#share = Math.min(1, share);
    this.#shownAt = now;
  }

  /** Whether the limit was lowered at or after `time`, so that levels of that time are not comparable. */
  wasLoweredSince(time: number): boolean {
    return time <= this.#loweredAt;
  }

  msUntilForgotten(now: number): number {
    return Math.max(0, this.#shownAt + MEMORY_MS - now);
  }

  /** Resets the limit if it has expired. Returns whether anything has changed. */
  forget(now: number): boolean {
    if (this.#share === 1 || this.msUntilForgotten(now) > 0) return false;
    this.#share = 1;
    return true;
  }
}
