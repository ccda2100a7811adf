/** How fast a peak is forgotten. */
const DECAY_MS = 10_000;

/**
 * Peak EWMA, as Finagle's load balancer has it: a slower answer counts at once and whole, a faster one bit by bit.
 */
export class PeakEwma {
  #ms = 0;
  #at = performance.now();

  get ms(): number {
    return this.#ms;
  }

  add(ms: number, now: number): void {
    const keep = Math.exp(-Math.max(0, now - this.#at) / DECAY_MS);
    this.#at = now;
    this.#ms = ms > this.#ms ? ms : this.#ms * keep + ms * (1 - keep);
  }
}
