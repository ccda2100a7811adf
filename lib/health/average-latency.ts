/** The share of the old average that a new sample leaves. */
const KEEP = 0.7;

/** A running average of whole answers' times, for stats. */
export class AverageLatency {
  #ms: number | undefined;

  get ms(): number | undefined {
    return this.#ms;
  }

  add(ms: number): void {
    this.#ms = this.#ms === undefined ? ms : KEEP * this.#ms + (1 - KEEP) * ms;
  }
}
