const GAIN = 0.12;
const FLOOR = 0.003;
const DECAY_MS = 10_000;
/** What was so long ago keeps nobody away: among equals, even a small share would. */
const FORGOTTEN_MS = 20_000;

/** The recent share of hard failures: a running average that sinks towards a floor while nothing is known. */
export class FailureRate {
  #rate = FLOOR;
  #at = performance.now();

  value(now: number): number {
    if (this.#rate === FLOOR) return FLOOR;
    const age = Math.max(0, now - this.#at);
    if (age >= FORGOTTEN_MS) return FLOOR;
    return FLOOR + (this.#rate - FLOOR) * Math.exp(-age / DECAY_MS);
  }

  add(isFailure: boolean, now: number): void {
    const before = this.value(now);
    this.#rate = before + GAIN * ((isFailure ? 1 : 0) - before);
    this.#at = now;
  }

  /** The endpoint has recovered: what was before says nothing of it now. */
  reset(): void {
    this.#rate = FLOOR;
  }
}
