/** Weight of the old average when a new sample is added. */
const KEEP = 0.7;
/** Time constant with which a peak decays, in milliseconds. */
const PEAK_DECAY_MS = 10_000;

/** How long an endpoint's recent answers took, in milliseconds from sending the request to the end of the answer. */
export class RecentLatency {
  #averageMs: number | undefined;
  #peakMs = 0;
  #at = performance.now();

  /** Running average for stats, in which the old average has a weight of 0.7. Undefined before the first sample. */
  get averageMs(): number | undefined {
    return this.#averageMs;
  }

  /**
   * Peak EWMA, as in Finagle's load balancer: it follows a slower answer at once, a faster one gradually. 0 before the
   * first sample.
   */
  get peakMs(): number {
    return this.#peakMs;
  }

  add(ms: number, now: number): void {
    this.#averageMs = this.#averageMs === undefined ? ms : KEEP * this.#averageMs + (1 - KEEP) * ms;
    const keep = Math.exp(-Math.max(0, now - this.#at) / PEAK_DECAY_MS);
    this.#at = now;
    this.#peakMs = ms > this.#peakMs ? ms : this.#peakMs * keep + ms * (1 - keep);
  }
}
