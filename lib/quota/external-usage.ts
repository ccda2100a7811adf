/**
 * Time constants, in milliseconds, with which the estimated rate and the headroom decay. The headroom may decay more
 * slowly: once it is in the bucket, it costs no throughput.
 */
const RATE_MEMORY_MS = 20_000;
const HEADROOM_MEMORY_MS = 120_000;
/** The rate expires after this time without headers, in milliseconds. */
const FORGET_MS = 60_000;
/** The headroom is at least this multiple of the last deviation. */
const HEADROOM_FACTOR = 2;
/** Headroom before any deviation has been observed, and maximum headroom, in milliseconds of refill at the limit. */
const FIRST_HEADROOM_MS = 2_000;
const MAX_HEADROOM_MS = 6_000;

/**
 * Usage by others, learnt from headers: another process on the same key, or a provider that counts differently. The
 * steady part becomes a rate, which slows the refill. The uneven part becomes a headroom, which stays in the bucket so
 * that the next deviation doesn't cause a 429. Both decay while the headers agree with the bucket, so a key that nobody
 * else uses loses nothing.
 */
export class ExternalUsage {
  /** Cap on the estimated external usage, as a share of the limit, so that calls still go out and bring new headers. */
  static readonly MAX_SHARE = 0.9;
  #rate = 0;
  #headroom = 0;
  #shownAt = -Infinity;

  /** Units per millisecond that other users of the key take. */
  get rate(): number {
    return this.#rate;
  }

  /** Units that stay in the bucket as a reserve for the next deviation. */
  get headroom(): number {
    return this.#headroom;
  }

  /** Starts with the default headroom when the provider's count is known for the first time. */
  start(limitRate: number, now: number): void {
    this.#shownAt = now;
    this.#headroom = FIRST_HEADROOM_MS * limitRate;
  }

  /** Resets the rate after a time without headers. Returns whether it has changed. */
  forget(now: number): boolean {
    if (this.#rate === 0 || now - this.#shownAt < FORGET_MS) return false;
    this.#rate = 0;
    return true;
  }

  /**
   * @param deviation Units left according to the provider minus ours: negative if others have used some.
   * @param gapMs Milliseconds over which the deviation built up: between the sending of this attempt and of the last
   *   one whose headers were applied.
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
