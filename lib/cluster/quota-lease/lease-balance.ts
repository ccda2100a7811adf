/** Smaller differences are rounding errors, not missing units. */
const EPSILON = 1e-6;

/** A change that the limiter in Redis must receive. */
export interface Unreported {
  /** Units used without a lease: usage above the estimate. */
  readonly overdraft: number;
  /** Units by which headers have corrected the level. */
  readonly correction: number;
  /** What goes back, in whole units of the limiter. */
  readonly refund: number;
}

/** The unused units of a lease, and the changes that the limiter has not received yet. */
export class LeaseBalance {
  #unused = 0;
  /** What the unused units cost, in units of the limiter. */
  #cost = 0;
  #overdraft = 0;
  #correction = 0;
  #refund = 0;

  get unused(): number {
    return this.#unused;
  }

  get hasUnreported(): boolean {
    return this.#overdraft > 0 || this.#correction !== 0 || this.#refund >= 1;
  }

  covers(units: number): boolean {
    return this.#unused + EPSILON >= units;
  }

  /** Uses units of the lease, if it covers them. */
  tryUse(units: number): boolean {
    const isCovered = this.covers(units);
    if (isCovered) this.#use(units);
    return isCovered;
  }

  /** @param cost In units of the limiter. */
  add(units: number, cost: number): void {
    this.#unused += units;
    this.#cost += cost;
  }

  /** Uses units that nobody has reserved, from the lease as far as it goes. */
  overdraw(units: number): void {
    const covered = Math.min(units, this.#unused);
    this.#use(covered);
    this.#overdraft += units - covered;
  }

  correct(units: number): void {
    this.#correction += units;
  }

  /** Returns unused units beyond `kept`. */
  refundBeyond(kept: number): void {
    if (this.#unused > kept) this.#refund += this.#use(this.#unused - kept);
  }

  takeUnreported(): Unreported {
    const unreported = {
      overdraft: this.#overdraft,
      correction: this.#correction,
      refund: Math.floor(this.#refund),
    };
    this.#overdraft = this.#correction = 0;
    this.#refund -= unreported.refund;
    return unreported;
  }

  /** The limiter may not have received the change. */
  restore({ overdraft, correction, refund }: Unreported): void {
    this.#overdraft += overdraft;
    this.#correction += correction;
    this.#refund += refund;
  }

  clear(): void {
    this.#unused = this.#cost = this.#overdraft = this.#correction = this.#refund = 0;
  }

  /** Returns what the units cost. */
  #use(units: number): number {
    const left = Math.max(0, this.#unused - units);
    const cost = this.#unused > 0 ? (this.#cost * (this.#unused - left)) / this.#unused : 0;
    this.#unused = left;
    this.#cost -= cost;
    return cost;
  }
}
