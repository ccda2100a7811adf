/** The weight of one attempt in the running average. */
const GAIN = 0.12;
/** The rate while nothing is known, to which every rate decays. */
const FLOOR = 0.003;
const DECAY_MS = 10_000;
/**
 * Age from which failures are ignored, in milliseconds. Otherwise routing would avoid an endpoint for a tiny rate long
 * after it recovered.
 */
const FORGET_MS = 20_000;

/**
 * The recent share of failed attempts, 0 to 1: a running average that decays to a floor while there are no new
 * attempts.
 */
export class FailureRate {
  #rate = FLOOR;
  #at = performance.now();

  value(now: number): number {
    if (this.#rate === FLOOR) return FLOOR;
    const age = Math.max(0, now - this.#at);
    if (age >= FORGET_MS) return FLOOR;
    return FLOOR + (this.#rate - FLOOR) * Math.exp(-age / DECAY_MS);
  }

  add(isFailure: boolean, now: number): void {
    const before = this.value(now);
    this.#rate = before + GAIN * ((isFailure ? 1 : 0) - before);
    this.#at = now;
  }

  /** Reverses the effect of the last failure. */
  takeBackFailure(now: number): void {
    this.#rate = Math.max(FLOOR, (this.value(now) - GAIN) / (1 - GAIN));
    this.#at = now;
  }

  /** Resets the rate to its floor: after a recovery, earlier failures no longer describe the endpoint. */
  reset(): void {
    this.#rate = FLOOR;
  }
}
