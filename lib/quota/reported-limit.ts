/** How long a limit in headers counts without being shown again, in milliseconds. */
const MEMORY_MS = 45_000;

/**
 * A limit in the provider's headers that is lower than the configured one. It may be wrong, so it is forgotten after a
 * while: the next call then shows whether it still applies.
 */
export class ReportedLimit {
  #share = 1;
  #shownAt = -Infinity;
  #loweredAt = -Infinity;

  /** Over the configured limit; at most 1. */
  get share(): number {
    return this.#share;
  }

  /** @param share Over the configured limit. */
  observe(share: number, now: number): void {
    if (share < this.#share) this.#loweredAt = now;
    this.#share = Math.min(1, share);
    this.#shownAt = now;
  }

  /** Whether the limit was lowered since: levels of that time were on another scale. */
  wasLoweredSince(time: number): boolean {
    return time <= this.#loweredAt;
  }

  msUntilForgotten(now: number): number {
    return Math.max(0, this.#shownAt + MEMORY_MS - now);
  }

  /** Forgets it if it is due. Returns whether anything has changed. */
  forget(now: number): boolean {
    if (this.#share === 1 || this.msUntilForgotten(now) > 0) return false;
    this.#share = 1;
    return true;
  }
}
