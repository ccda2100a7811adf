/** Smaller differences are rounding errors, not missing units. */
export const EPSILON = 1e-6;

/** What an update tells the limiter in Redis, in whole units. */
export interface LeaseReport {
  /** Units used that the limiter doesn't know of; below zero if some go back to it. */
  readonly owed: number;
  /** Units that the limiter has too many, as headers or an outage have shown. Taking them never makes a debt. */
  readonly excess: number;
}

/**
 * Quota that a process has taken ahead from a limiter in Redis, and what the limiter does not know yet. While the lease
 * is suspended, because Redis is unreachable, everything is used on credit.
 */
export class Lease {
  #unused = 0;
  #owed = 0;
  #excess = 0;
  #isSuspended = false;

  get unused(): number {
    return this.#unused;
  }

  covers(units: number): boolean {
    return this.#isSuspended || this.#unused + EPSILON >= units;
  }

  /** Uses units, if the lease covers them. */
  tryUse(units: number): boolean {
    const isCovered = this.covers(units);
    if (isCovered) this.overdraw(this.#isSuspended ? units : Math.min(units, this.#unused));
    return isCovered;
  }

  /** Uses units whether it covers them or not. */
  overdraw(units: number): void {
    const covered = Math.min(units, this.#unused);
    this.#unused -= covered;
    this.#owed += units - covered;
  }

  /** The whole units that are missing until it covers these. */
  missing(units: number): number {
    return Math.ceil(Math.max(0, units - this.#unused - EPSILON));
  }

  /** Units have come from the limiter, or were not needed. */
  add(units: number): void {
    if (this.#isSuspended) this.#owed -= units;
    else this.#unused += units;
  }

  /** The limiter has these units too many; too few if negative. */
  exceed(units: number): void {
    if (this.#isSuspended) this.#owed += units;
    else this.#excess += units;
  }

  returnBeyond(kept: number): void {
    const unused = Math.max(0, this.#unused - kept);
    this.#unused -= unused;
    this.#owed -= unused;
  }

  /** Unused units have been paid for. */
  suspend(): void {
    this.returnBeyond(0);
    this.#isSuspended = true;
  }

  resume(): void {
    this.#isSuspended = false;
  }

  /**
   * What was used on credit, as far as the limiter still has it: it has refilled meanwhile.
   * @param missing Units that are missing in this process's share.
   */
  unreported(missing: number): number {
    return Math.min(this.#owed, missing) + this.#excess;
  }

  reportCredit(missing: number): void {
    this.#excess = this.unreported(missing);
    this.#owed = 0;
  }

  /** What to report now. It counts until it is settled. */
  report(): LeaseReport {
    return { owed: Math.trunc(this.#owed), excess: Math.trunc(this.#excess) };
  }

  settle({ owed, excess }: LeaseReport): void {
    this.#owed -= owed;
    this.#excess -= excess;
  }
}
