import type { Call } from '../call/call';
import type { Price } from '../models/profile';
import type { Payer, Shortage } from './budget';
import { possibleUnits } from './price';
import { SpendReservation } from './reservation';
import type { TenantBudgets } from './tenant-budgets';

/** What keeps a call from an endpoint. */
export interface BudgetObstacle extends Shortage {
  /** Whether the call may go on at the cheapest endpoint all the same. */
  readonly allowsCheapest: boolean;
}

/**
 * The budgets from which the attempts at one endpoint are paid: its own, its group's, the one over everything and those of
 * tenants.
 */
export class EndpointBudgets {
  readonly #payers: readonly Payer[];
  readonly #tenants: TenantBudgets | undefined;

  constructor(payers: readonly Payer[], tenants: TenantBudgets | undefined) {
    this.#payers = payers;
    this.#tenants = tenants;
  }

  /** Why a call can't be paid; undefined if it can. An endpoint without a price costs nothing. */
  obstacle(call: Call, price: Price | undefined): BudgetObstacle | undefined {
    const units = possibleUnits(call, price);
    if (units === 0) return undefined;
    let worst: BudgetObstacle | undefined;
    for (const payer of this.#payers) worst = worse(worst, shortageOf(payer, units));
    const tenant = this.#tenantOf(call);
    return tenant ? worse(worst, shortageOf(tenant, units)) : worst;
  }

  /** Whether the call's tenant has no money for it, whatever others leave. */
  isTenantShort(call: Call, price: Price | undefined): boolean {
    const tenant = this.#tenantOf(call);
    const units = tenant ? possibleUnits(call, price) : 0;
    return units > 0 && tenant?.budget.shortage(units) !== undefined;
  }

  /** Reserves what the call may cost. Call it only if there is no obstacle, or one that allows the cheapest. */
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

  /** 0 to 1: the used share of the scarcest budget of its own or its group's. The others are the same for all. */
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

/** The one that lasts longer. One that allows the cheapest endpoint ends at once, unless another keeps the call away too. */
function worse(a: BudgetObstacle | undefined, b: BudgetObstacle | undefined): BudgetObstacle | undefined {
  if (!a || !b) return a ?? b;
  if (a.allowsCheapest !== b.allowsCheapest) return a.allowsCheapest ? b : a;
  return waitOf(b) > waitOf(a) ? b : a;
}

function waitOf({ room }: Shortage): number {
  return room.kind === 'reserved' ? 0 : room.waitMs;
}
