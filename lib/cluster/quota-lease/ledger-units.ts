import type { LeaseView } from './local-view';

/**
 * Units of the ledger in one request or token. Redis counts in whole numbers, and this makes a limit of one a minute a
 * refill of one a millisecond.
 */
const SCALE = 60_000;

/** Between a process's units and the ledger's, which are whole, and count in the configured limit. */
export class LedgerUnits {
  readonly #view: Pick<LeaseView, 'limitShare' | 'slowdown'>;

  constructor(view: Pick<LeaseView, 'limitShare' | 'slowdown'>) {
    this.#view = view;
  }

  to(units: number): number {
    return Math.ceil((units * SCALE) / this.#view.limitShare);
  }

  from(units: number): number {
    return (units / SCALE) * this.#view.limitShare;
  }

  /** After refusals that no header explains each unit costs more: that is how the rate is lowered for everybody. */
  price(units: number): number {
    return Math.ceil((units * SCALE) / (this.#view.limitShare * this.#view.slowdown));
  }
}
