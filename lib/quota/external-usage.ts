/** Time constants, in milliseconds: of the rate, and of the headroom, which costs no throughput once it is there. */
const RATE_MEMORY_MS = 20_000;
const HEADROOM_MEMORY_MS = 120_000;
/** The rate is forgotten if headers show nothing for this long, in milliseconds. */
const FORGET_MS = 60_000;
/** The headroom covers this multiple of the last deviation. */
const HEADROOM_FACTOR = 2;
/** The headroom before anything is known, and the largest, in milliseconds of the limit. */
const FIRST_HEADROOM_MS = 2_000;
const MAX_HEADROOM_MS = 6_000;

/**
 * What headers show to be used by others: another process on the same key, or a provider that counts differently. Its
 * steady part becomes a rate, which slows the refill; its uneven part a headroom, which stays in the bucket so that the
 * next deviation doesn't cause a 429. Both fade while the headers agree with the bucket, so a key of our own loses nothing.
 */
export class ExternalUsage {
  /** Others are never taken to use more than this share of a limit, so that calls still go out and headers come back. */
  static readonly MAX_SHARE = 0.9;
  #rate = 0;
  #headroom = 0;
  #shownAt = -Infinity;

  /** Units per millisecond that other users of the key take. */
  get rate(): number {
    return this.#rate;
  }

  /** Units to keep in the bucket. */
  get headroom(): number {
    return this.#headroom;
  }

  /** The provider has shown its count for the first time. */
  start(limitRate: number, now: number): void {
    this.#shownAt = now;
    this.#headroom = FIRST_HEADROOM_MS * limitRate;
  }

  /** Forgets the rate if headers have shown nothing for a while. Returns whether it has changed. */
  forget(now: number): boolean {
    if (this.#rate === 0 || now - this.#shownAt < FORGET_MS) return false;
    this.#rate = 0;
    return true;
  }

  /**
   * @param deviation The provider's count minus ours: below zero if others have used some.
   * @param gapMs The time over which it came about, since the last count that was taken into account.
   * @param limitRate Units per millisecond that the limit allows.
   */
  observe(deviation: number, gapMs: number, limitRate: number, now: number): void {
    this.#shownAt = now;
    const gain = gapMs > 0 ? (1 - Math.exp(-gapMs / RATE_MEMORY_MS)) / gapMs : 1 / RATE_MEMORY_MS;
    this.#rate = Math.min(ExternalUsage.MAX_SHARE * limitRate, Math.max(0, this.#rate - gain * deviation));
    const needed = Math.min(MAX_HEADROOM_MS * limitRate, Math.max(0, -HEADROOM_FACTOR * deviation));
    this.#headroom = Math.max(needed, this.#headroom * Math.exp(-gapMs / HEADROOM_MEMORY_MS));
  }
}
