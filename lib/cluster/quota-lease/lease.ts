/** Tolerance, in units: smaller differences are rounding errors. */
export const EPSILON = 1e-6;

/** What an update reports to the limiter in Redis, in whole units. */
export interface LeaseReport {
  /** Used units that the limiter doesn't know of; negative if units go back to it. */
  readonly owed: number;
  /**
   * Units that the limiter has too many, as headers or an outage have shown. Taking them never makes its level
   * negative.
   */
  readonly excess: number;
}

/**
 * Quota that a process has taken ahead from a limiter in Redis, and the usage that the limiter does not know yet. While
 * the lease is suspended, because Redis is unreachable, all units are used on credit.
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

  /** Takes `units` from the lease; returns false if fewer are left. */
  tryUse(units: number): boolean {
    const isCovered = this.covers(units);
    if (isCovered) this.overdraw(this.#isSuspended ? units : Math.min(units, this.#unused));
    return isCovered;
  }

  /** Takes `units` from the lease. Units that it doesn't cover are owed to the limiter. */
  overdraw(units: number): void {
    const covered = Math.min(units, this.#unused);
    this.#unused -= covered;
    this.#owed += units - covered;
  }

  /** The number of whole units that the lease lacks to cover `units`. */
  missing(units: number): number {
    return Math.ceil(Math.max(0, units - this.#unused - EPSILON));
  }

  /** Adds units that the limiter has granted, or that were reserved and not used. */
  add(units: number): void {
    if (this.#isSuspended) this.#owed -= units;
    else this.#unused += units;
  }

  /** Records that the limiter's level is too high by `units`, or too low if negative. The next report corrects it. */
  exceed(units: number): void {
    if (this.#isSuspended) this.#owed += units;
    else this.#excess += units;
  }

  returnBeyond(kept: number): void {
    const unused = Math.max(0, this.#unused - kept);
    this.#unused -= unused;
    this.#owed -= unused;
  }

  /**
   * Suspends the lease: from now on all units are used on credit. Unused units of the lease are deducted from what is
   * owed, because the limiter has already counted them.
   */
  suspend(): void {
    this.returnBeyond(0);
    this.#isSuspended = true;
  }

  resume(): void {
    this.#isSuspended = false;
  }

  /**
   * The used units by which the limiter's level must still be lowered. Units used on credit count at most up to
   * `missing`, because the limiter, too, has refilled in the meantime.
   * @param missing Units by which this process's share of the bucket is below full.
   */
  unreported(missing: number): number {
    return Math.min(this.#owed, missing) + this.#excess;
  }

  reportCredit(missing: number): void {
    this.#excess = this.unreported(missing);
    this.#owed = 0;
  }

  /** The next report to the limiter. Until `settle` is called with it, each call returns its units again. */
  report(): LeaseReport {
    return { owed: Math.trunc(this.#owed), excess: Math.trunc(this.#excess) };
  }

  settle({ owed, excess }: LeaseReport): void {
    this.#owed -= owed;
    this.#excess -= excess;
  }
}
