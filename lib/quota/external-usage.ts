/** Time constants, in milliseconds: of the rate, and of the headroom, which costs nothing once it is there. */
const RATE_MEMORY_MS = 20_000;
const HEADROOM_MEMORY_MS = 120_000;
/** The next surprise may be so many times the last. */
const SURPRISE_FACTOR = 2;
/** Before anything is known, in milliseconds of the limit. */
const FIRST_HEADROOM_MS = 2_000;
/** The most headroom, in milliseconds of the limit. */
const MAX_HEADROOM_MS = 6_000;

/**
 * What the headers show that we did not see coming: another process on the same key, or a provider that counts
 * otherwise. Its steady part is a rate, by which the refill is slower than the limit; the rest is a headroom, kept below
 * every level so that the next surprise is no refusal. Both fade when the headers agree with us, so that alone on a key
 * nothing is lost.
 */
export class ExternalUsage {
  /** Others are never taken to use more than this share of a limit: something is always left to ask for. */
  static readonly MAX_SHARE = 0.9;
  #rate = 0;
  #headroom = 0;

  /** Units a millisecond that others take. */
  get rate(): number {
    return this.#rate;
  }

  /** Units to be left untouched. */
  get headroom(): number {
    return this.#headroom;
  }

  /** The provider tells its count for the first time. */
  start(limitRate: number): void {
    this.#headroom = FIRST_HEADROOM_MS * limitRate;
  }

  /**
   * @param missing How far the provider's count was off ours; below zero where it was lower.
   * @param gapMs The time in which that came about: since the last count of the provider that was heeded.
   * @param limitRate Units a millisecond that the limit allows.
   */
  observe(missing: number, gapMs: number, limitRate: number): void {
    const gain = gapMs > 0 ? (1 - Math.exp(-gapMs / RATE_MEMORY_MS)) / gapMs : 1 / RATE_MEMORY_MS;
    this.#rate = Math.min(ExternalUsage.MAX_SHARE * limitRate, Math.max(0, this.#rate - gain * missing));
    const surprise = Math.min(MAX_HEADROOM_MS * limitRate, Math.max(0, -SURPRISE_FACTOR * missing));
    this.#headroom = Math.max(surprise, this.#headroom * Math.exp(-gapMs / HEADROOM_MEMORY_MS));
  }
}
