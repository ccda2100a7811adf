import type { Call } from '../call/call';
import type { Price } from '../models/profile';
import type { Budget, Shortage } from './budget';
import { possibleUnits } from './price';
import { SpendReservation } from './reservation';

/** What keeps a call from an endpoint: a budget of its own, or the one over everything. */
export interface BudgetObstacle extends Shortage {
  /** Whether the call may go on at the cheapest endpoint all the same. */
  readonly allowsCheapest: boolean;
}

/** The budgets from which the attempts at one endpoint are paid: its own, its group's and the one over everything. */
export class EndpointBudgets {
  readonly #own: readonly Budget[];
  readonly #total: Budget | undefined;
  readonly #allowsCheapest: boolean;

  constructor(own: readonly Budget[], total: Budget | undefined, allowsCheapest: boolean) {
    this.#own = own;
    this.#total = total;
    this.#allowsCheapest = allowsCheapest;
  }

  /** Why a call can't be paid; undefined if it can. An endpoint without a price costs nothing. */
  obstacle(call: Call, price: Price | undefined): BudgetObstacle | undefined {
    const units = possibleUnits(call, price);
    if (units === 0) return undefined;
    let worst: BudgetObstacle | undefined;
    for (const budget of this.#own) {
      const shortage = budget.shortage(units);
      if (shortage && isLonger(shortage, worst)) worst = { ...shortage, allowsCheapest: false };
    }
    const total = this.#total?.shortage(units);
    if (!total || worst?.room.kind === 'spent') return worst;
    const allowsCheapest = this.#allowsCheapest && total.room.kind === 'spent' && worst === undefined;
    return isLonger(total, worst) ? { ...total, allowsCheapest } : worst;
  }

  /** Reserves what the call may cost. Call it only if there is no obstacle, or the total allows the cheapest. */
  reserve(call: Call, price: Price | undefined): SpendReservation | undefined {
    const units = possibleUnits(call, price);
    if (units === 0 || !price) return undefined;
    const isForced = this.#allowsCheapest && this.#total?.shortage(units)?.room.kind === 'spent';
    const held = this.#own.flatMap((budget) => budget.take(units, false));
    const total = this.#total?.take(units, isForced) ?? [];
    const budgets = this.#total ? [...this.#own, this.#total] : this.#own;
    return new SpendReservation([...held, ...total], units, price, () => {
      for (const budget of budgets) budget.check();
    });
  }

  /** 0 to 1: the used share of the scarcest budget of its own or its group's. The total is the same for all. */
  usedShare(): number {
    let used = 0;
    for (const budget of this.#own) used = Math.max(used, budget.usedShare());
    return used;
  }
}

function isLonger({ room }: Shortage, than: Shortage | undefined): boolean {
  if (than === undefined) return true;
  const waitMs = room.kind === 'reserved' ? 0 : room.waitMs;
  return waitMs > (than.room.kind === 'reserved' ? 0 : than.room.waitMs);
}
