/** The share of the old average that a new sample keeps. */
const KEEP = 0.7;
/** Time constant with which a peak is forgotten, in milliseconds. */
const PEAK_DECAY_MS = 10_000;

/** How long an endpoint's answers took lately, in milliseconds from sending to the end of the answer. */
export class RecentLatency {
  #averageMs: number | undefined;
  #peakMs = 0;
  #at = performance.now();

  /** A running average, for stats: each sample keeps 0.7 of the old. Undefined before the first. */
  get averageMs(): number | undefined {
    return this.#averageMs;
  }

  /** Peak EWMA, as in Finagle's load balancer: a slower answer counts at once, a faster one only gradually. 0 before the first. */
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
