/** At most so many in a second and so many at once; what is beyond that is dropped, not kept. */
export class RateLimit {
  readonly #perMs: number;
  readonly #burst: number;
  #level: number;
  #at = performance.now();

  constructor(perSecond: number, burst: number) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#level = burst;
  }

  tryTake(): boolean {
    const now = performance.now();
    this.#level = Math.min(this.#burst, this.#level + Math.max(0, now - this.#at) * this.#perMs);
    this.#at = now;
    if (this.#level < 1) return false;
    this.#level--;
    return true;
  }
}
