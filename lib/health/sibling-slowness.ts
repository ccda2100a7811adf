/** Time constant with which samples lose weight, in milliseconds. */
const MEMORY_MS = 10_000;
/** Weight of the prior, in samples at the usual speed. */
const PRIOR_WEIGHT = 2;

/**
 * How slow the endpoints of one model at one provider are overall: a provider that is slow is slow for all of its keys.
 * An endpoint without recent samples of its own is assumed to be as slow as the others, so that each key of a large
 * fleet does not have to learn it separately.
 */
export class SiblingSlowness {
  #weight = 0;
  #sum = 0;
  #at = performance.now();

  /** @param ratio A sample's observed time divided by its expected time. */
  add(ratio: number, now: number): void {
    this.#decay(now);
    this.#weight += 1;
    this.#sum += ratio;
  }

  /** The mean ratio of the other endpoints, given the sums of one endpoint's own samples, which are subtracted. */
  withoutOwn(ownSum: number, ownWeight: number, now: number): number {
    this.#decay(now);
    const sum = Math.max(0, this.#sum - ownSum);
    const weight = Math.max(0, this.#weight - ownWeight);
    return (sum + PRIOR_WEIGHT) / (weight + PRIOR_WEIGHT);
  }

  #decay(now: number): void {
    const elapsed = now - this.#at;
    if (elapsed <= 0) return;
    const keep = Math.exp(-elapsed / MEMORY_MS);
    this.#at = now;
    this.#weight *= keep;
    this.#sum *= keep;
  }
}
