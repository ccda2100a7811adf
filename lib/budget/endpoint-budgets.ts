import type { Call } from '../call/call';
import type { Price } from '../models/profile';
import type { Payer, Shortage } from './budget';
import { possibleUnits } from './price';
import { SpendReservation } from './reservation';
import type { TenantBudgets } from './tenant-budgets';

/** The reason why a call can't be paid at an endpoint. */
export interface BudgetObstacle extends Shortage {
  /** Whether the call may continue at the cheapest endpoint. */
  readonly allowsCheapest: boolean;
}

/** The budgets that pay for the attempts at one endpoint: its own, its group's, the total and those of tenants. */
export class EndpointBudgets {
  readonly #payers: readonly Payer[];
  readonly #tenants: TenantBudgets | undefined;

  constructor(payers: readonly Payer[], tenants: TenantBudgets | undefined) {
    this.#payers = payers;
    this.#tenants = tenants;
  }

  /** The reason why a call can't be paid; undefined if it can. An endpoint without a price costs nothing. */
  obstacle(call: Call, price: Price | undefined): BudgetObstacle | undefined {
    const units = possibleUnits(call, price);
    if (units === 0) return undefined;
    let worst: BudgetObstacle | undefined;
    for (const payer of this.#payers) worst = worse(worst, shortageOf(payer, units));
    const tenant = this.#tenantOf(call);
    return tenant ? worse(worst, shortageOf(tenant, units)) : worst;
  }

  /** Whether the budget of the call's tenant doesn't cover the call, whatever the other budgets have left. */
  isTenantShort(call: Call, price: Price | undefined): boolean {
    const tenant = this.#tenantOf(call);
    const units = tenant ? possibleUnits(call, price) : 0;
    return units > 0 && tenant?.budget.shortage(units) !== undefined;
  }

  /**
   * Reserves the cost that the call may have. Call it only if there is no obstacle, or one that allows the cheapest
   * endpoint.
   */
  reserve(call: Call, price: Price | undefined): SpendReservation | undefined {
    const units = possibleUnits(call, price);
    if (units === 0 || !price) return undefined;
    const tenant = this.#tenantOf(call);
    const payers = tenant ? [...this.#payers, tenant] : this.#payers;
    const held = payers.flatMap((payer) => {
      const isForced = payer.allowsCheapest && shortageOf(payer, units)?.allowsCheapest === true;
      return payer.budget.take(units, isForced);
    });
    return new SpendReservation(held, units, price, () => {
      for (const { budget } of payers) budget.check();
    });
  }

  /**
   * The used share of the endpoint's or its group's budget, whichever has less left, from 0 to 1. The other budgets are
   * left out, because they are the same for all endpoints.
   */
  usedShare(): number {
    let used = 0;
    for (const { budget } of this.#payers)
      if (budget.scope !== 'total') used = Math.max(used, budget.usedShare());
    return used;
  }

  #tenantOf({ context }: Call): Payer | undefined {
    return context.tenant === undefined ? undefined : this.#tenants?.of(context.tenant);
  }
}

function shortageOf({ budget, allowsCheapest }: Payer, units: number): BudgetObstacle | undefined {
  const shortage = budget.shortage(units);
  return shortage && { ...shortage, allowsCheapest: allowsCheapest && shortage.room.kind === 'spent' };
}

/**
 * Returns the worse of two obstacles: one that doesn't allow the cheapest endpoint, otherwise the one that lasts
 * longer.
 */
function worse(a: BudgetObstacle | undefined, b: BudgetObstacle | undefined): BudgetObstacle | undefined {
  if (!a || !b) return a ?? b;
  if (a.allowsCheapest !== b.allowsCheapest) return a.allowsCheapest ? b : a;
  return waitOf(b) > waitOf(a) ? b : a;
}

function waitOf({ room }: Shortage): number {
  return room.kind === 'reserved' ? 0 : room.waitMs;
}
