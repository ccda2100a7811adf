import type { SpendLimitName } from './options';
import { UNITS_PER_USD } from './options';
import type { Held, Room, SpendLimit } from './spend-limit';
import { FREE } from './spend-limit';

/** What a budget is for. */
export type BudgetScope = 'total' | 'group' | 'endpoint' | 'tenant' | 'shadow';

/** One limit of a budget, as statistics show it. */
export interface BudgetStats {
  /** What it is for: everything, one quota group, one endpoint, one tenant or the copies of a shadow. */
  readonly scope: BudgetScope;
  /** Name of the group, endpoint, tenant, or of the shadow's model or endpoint; empty for the total. */
  readonly name: string;
  /** Which limit: `usdPerHour`, `usdPerDay` or `usdPerMonth`. */
  readonly limit: SpendLimitName;
  /** The limit in US dollars. */
  readonly limitUsd: number;
  /** US dollars spent in the period, by all processes as far as this one knows. */
  readonly spentUsd: number;
  /** US dollars that attempts in flight in this process have reserved. */
  readonly reservedUsd: number;
}

/** A budget has reached 80 % of a limit, or all of it. */
export interface BudgetEvent extends Omit<BudgetStats, 'reservedUsd'> {
  /** 'near' at 80 % of the limit; 'reached' when it is spent, or what is left is too little for a call. */
  readonly change: 'near' | 'reached';
}

/** The share of a limit from which on it is near. */
const NEAR_SHARE = 0.8;

export interface BudgetLimit {
  readonly name: SpendLimitName;
  readonly spendLimit: SpendLimit;
}

/** Why a budget has no room. */
export interface Shortage {
  readonly room: Exclude<Room, { readonly kind: 'free' }>;
  /** Such as `usdPerDay of $5 for group 'eu'`. */
  readonly what: string;
}

/** The limits in US dollars over everything, or over a quota group, an endpoint or a tenant. */
export class Budget {
  readonly #onEvent: (event: BudgetEvent) => void;
  #limits: readonly BudgetLimit[] = [];
  /** How far each limit was last time. */
  readonly #levels = new Map<SpendLimitName, 0 | 1 | 2>();

  constructor(
    readonly scope: BudgetScope,
    readonly name: string,
    onEvent: (event: BudgetEvent) => void,
  ) {
    this.#onEvent = onEvent;
  }

  get limits(): readonly BudgetLimit[] {
    return this.#limits;
  }

  configure(limits: readonly BudgetLimit[]): void {
    this.#limits = limits;
  }

  /** The limit that keeps an amount away longest; undefined if there is room. */
  shortage(units: number): Shortage | undefined {
    let worst: { readonly limit: BudgetLimit; readonly room: Shortage['room'] } | undefined;
    for (const limit of this.#limits) {
      const room = limit.spendLimit.room(units);
      if (room === FREE || room.kind === 'free') continue;
      if (room.kind === 'spent' && shareOf(limit.spendLimit) >= NEAR_SHARE) this.#setLevel(limit, 2);
      if (!worst || waitOf(room) > waitOf(worst.room)) worst = { limit, room };
    }
    return worst && { room: worst.room, what: this.#describe(worst.limit) };
  }

  take(units: number, isForced: boolean): readonly (readonly [SpendLimit, Held])[] {
    return this.#limits.map(({ spendLimit }) => [spendLimit, spendLimit.take(units, isForced)] as const);
  }

  /** 0 to 1: the used share of its scarcest limit. */
  usedShare(): number {
    let used = 0;
    for (const { spendLimit } of this.#limits) {
      const { spent, reserved } = spendLimit.figures();
      used = Math.max(used, (spent + reserved) / spendLimit.limit);
    }
    return Math.min(1, used);
  }

  /** What is spent may have changed. */
  check(): void {
    for (const limit of this.#limits) {
      const share = shareOf(limit.spendLimit);
      const known = this.#levels.get(limit.name) ?? 0;
      if (share >= 1) this.#setLevel(limit, 2);
      else if (share < NEAR_SHARE) this.#levels.set(limit.name, 0);
      else if (known === 0) this.#setLevel(limit, 1);
    }
  }

  stats(): BudgetStats[] {
    return this.#limits.map((limit) => {
      const { spent, reserved } = limit.spendLimit.figures();
      return {
        scope: this.scope,
        name: this.name,
        limit: limit.name,
        limitUsd: usd(limit.spendLimit.limit),
        spentUsd: usd(spent),
        reservedUsd: usd(reserved),
      };
    });
  }

  #setLevel(limit: BudgetLimit, level: 1 | 2): void {
    if ((this.#levels.get(limit.name) ?? 0) >= level) return;
    this.#levels.set(limit.name, level);
    const { scope, name } = this;
    this.#onEvent({
      change: level === 1 ? 'near' : 'reached',
      scope,
      name,
      limit: limit.name,
      limitUsd: usd(limit.spendLimit.limit),
      spentUsd: usd(limit.spendLimit.figures().spent),
    });
  }

  #describe({ name, spendLimit }: BudgetLimit): string {
    const whose = this.scope === 'total' ? 'in all' : `of ${this.scope} '${this.name}'`;
    return `${name} of $${usd(spendLimit.limit)} ${whose}`;
  }
}

/** A budget that pays for the attempts at an endpoint. */
export interface Payer {
  readonly budget: Budget;
  /** Whether a call for which it has no money left may go on at the cheapest endpoint all the same. */
  readonly allowsCheapest: boolean;
}

/** A limit that is only reserved by attempts in flight ends at an unknown time, but soon. */
function waitOf(room: Shortage['room']): number {
  return room.kind === 'reserved' ? 0 : room.waitMs;
}

function shareOf(spendLimit: SpendLimit): number {
  // A tenant's limit may be 0: nothing of it can be spent.
  return spendLimit.limit > 0 ? spendLimit.figures().spent / spendLimit.limit : 0;
}

function usd(units: number): number {
  return units / UNITS_PER_USD;
}
