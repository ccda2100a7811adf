/** Rounding, not a missing unit. */
const EPSILON = 1e-6;

/** The part of a lease that nobody has reserved, and what the ledger took for it. */
export class Credit {
  #units = 0;
  #paid = 0;

  get units(): number {
    return this.#units;
  }

  covers(units: number): boolean {
    return this.#units + EPSILON >= units;
  }

  /** @param paid In units of the ledger. */
  add(units: number, paid: number): void {
    this.#units += units;
    this.#paid += paid;
  }

  /** Gives what the ledger had taken for these, in its units. */
  spend(units: number): number {
    const left = Math.max(0, this.#units - units);
    const paid = this.#units > 0 ? (this.#paid * (this.#units - left)) / this.#units : 0;
    this.#units = left;
    this.#paid -= paid;
    return paid;
  }

  clear(): void {
    this.#units = this.#paid = 0;
  }
}
