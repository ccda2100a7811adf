import type { SpendLimitName } from './options';
import { UNITS_PER_USD } from './options';
import type { Held, Room, SpendLimit } from './spend-limit';
import { FREE } from './spend-limit';

/** What a budget covers. */
export type BudgetScope = 'total' | 'group' | 'endpoint' | 'tenant' | 'shadow';

/** One limit of a budget, as reported in statistics. */
export interface BudgetStats {
  /**
   * What the budget covers: all calls ('total'), one quota group, one endpoint, one tenant, or the copies that a shadow
   * gets.
   */
  readonly scope: BudgetScope;
  /** Name of the group, endpoint, tenant, or of the shadow's model or endpoint; empty for the total. */
  readonly name: string;
  /** Name of the limit: `usdPerHour`, `usdPerDay` or `usdPerMonth`. */
  readonly limit: SpendLimitName;
  /** The limit in US dollars. */
  readonly limitUsd: number;
  /** US dollars spent in the period, by all processes as far as this one knows. */
  readonly spentUsd: number;
  /** US dollars that attempts in flight in this process have reserved. */
  readonly reservedUsd: number;
}

/** Event: a budget has reached 80 % of a limit, or all of it. */
export interface BudgetEvent extends Omit<BudgetStats, 'reservedUsd'> {
  /** 'near' at 80 % of the limit; 'reached' when it is spent, or what is left is too little for a call. */
  readonly change: 'near' | 'reached';
}

/** A limit counts as near when at least this share of it is spent. */
const NEAR_SHARE = 0.8;

export interface BudgetLimit {
  readonly name: SpendLimitName;
  readonly spendLimit: SpendLimit;
}

/** The limit of a budget that refuses an amount. */
export interface Shortage {
  readonly room: Exclude<Room, { readonly kind: 'free' }>;
  /** Description of the limit, such as `usdPerDay of $5 of group 'eu'`. */
  readonly what: string;
  /** Whether all of the limit is spent; if not, too little is left for the amount. */
  readonly isAllSpent: boolean;
}

/** The limits in US dollars of all calls, or of those of a quota group, an endpoint, a tenant or a shadow. */
export class Budget {
  readonly #onEvent: (event: BudgetEvent) => void;
  #limits: readonly BudgetLimit[] = [];
  /** The level last reported for each limit: 0 for none, 1 for near, 2 for reached. */
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

  /** The limit that refuses this amount for the longest time; undefined if all limits have room for it. */
  shortage(units: number): Shortage | undefined {
    let worst: { readonly limit: BudgetLimit; readonly room: Shortage['room'] } | undefined;
    for (const limit of this.#limits) {
      const room = limit.spendLimit.room(units);
      if (room === FREE || room.kind === 'free') continue;
      if (room.kind === 'spent' && shareOf(limit.spendLimit) >= NEAR_SHARE) this.#setLevel(limit, 2);
      if (!worst || waitOf(room) > waitOf(worst.room)) worst = { limit, room };
    }
    return (
      worst && {
        room: worst.room,
        what: this.#describe(worst.limit),
        isAllSpent: shareOf(worst.limit.spendLimit) >= 1,
      }
    );
  }

  take(units: number, isForced: boolean): readonly (readonly [SpendLimit, Held])[] {
    return this.#limits.map(({ spendLimit }) => [spendLimit, spendLimit.take(units, isForced)] as const);
  }

  /** The spent and reserved share of the limit that has least left, from 0 to 1. */
  usedShare(): number {
    let used = 0;
    for (const { spendLimit } of this.#limits) {
      const { spent, reserved } = spendLimit.figures();
      used = Math.max(used, (spent + reserved) / spendLimit.limit);
    }
    return Math.min(1, used);
  }

  /**
   * Emits an event for each limit that has become near or reached since the last check. Called when the spending may
   * have changed.
   */
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
  /** Whether calls may continue at the cheapest endpoint when the budget is spent. */
  readonly allowsCheapest: boolean;
}

/**
 * Milliseconds until the limit has room; 0 if attempts in flight have reserved what is left, because they end soon, at
 * an unknown time.
 */
function waitOf(room: Shortage['room']): number {
  return room.kind === 'reserved' ? 0 : room.waitMs;
}

function shareOf(spendLimit: SpendLimit): number {
  // 0 for a tenant's limit of 0, of which nothing can be spent.
  return spendLimit.limit > 0 ? spendLimit.figures().spent / spendLimit.limit : 0;
}

function usd(units: number): number {
  return units / UNITS_PER_USD;
}
