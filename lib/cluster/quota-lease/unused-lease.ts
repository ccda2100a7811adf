/** Rounding, not a missing unit. */
const EPSILON = 1e-6;

/** The part of a lease that nobody has reserved, and what the ledger took for it. */
export class UnusedLease {
  #units = 0;
  #cost = 0;

  get units(): number {
    return this.#units;
  }

  covers(units: number): boolean {
    return this.#units + EPSILON >= units;
  }

  /** @param cost In units of the ledger. */
  add(units: number, cost: number): void {
    this.#units += units;
    this.#cost += cost;
  }

  /** Gives what the ledger had taken for these, in its units. */
  take(units: number): number {
    const left = Math.max(0, this.#units - units);
    const cost = this.#units > 0 ? (this.#cost * (this.#units - left)) / this.#units : 0;
    this.#units = left;
    this.#cost -= cost;
    return cost;
  }

  clear(): void {
    this.#units = this.#cost = 0;
  }
}
