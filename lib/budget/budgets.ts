import {
  Budget,
  type BudgetEvent,
  type BudgetLimit,
  type BudgetScope,
  type BudgetStats,
  type Payer,
} from './budget';
import { EndpointBudgets } from './endpoint-budgets';
import { LIMIT_NAMES, type ResolvedBudgets, type SpendLimits, UNITS_PER_USD } from './options';
import type { SpendLimit } from './spend-limit';
import { SpendLimitFactory, type SpendLimitFactoryParts } from './spend-limit-factory';
import { TenantBudgets } from './tenant-budgets';

/** The limits in US dollars of a configuration. */
export interface BudgetedConfig {
  readonly budgets: ResolvedBudgets;
  readonly endpoints: readonly BudgetedPart[];
  readonly groups: readonly BudgetedPart[];
  /** The copies of calls that a shadow gets. */
  readonly shadow: BudgetedPart | undefined;
}

export interface BudgetedPart {
  readonly name: string;
  /**
   * The name by which processes that share a store identify the endpoint or group. It contains a hash of the account,
   * so that equal names for different accounts don't clash.
   */
  readonly sharedName: string;
  readonly limits: SpendLimits;
}

export interface BudgetsParts extends SpendLimitFactoryParts {
  readonly onEvent: (event: BudgetEvent) => void;
  /** Called when the spending of a tenant was forgotten, because there are more tenants than are kept in memory. */
  readonly onForgotten: (maxTenants: number) => void;
  /** Called when a waiting call may be able to start. */
  readonly onCapacity: () => void;
}

interface OpenSpendLimit {
  readonly spendLimit: SpendLimit;
  readonly store: ResolvedBudgets['store'];
}

/**
 * All budgets of a configuration. A new configuration updates them in place: spent and reserved amounts carry over as
 * long as a limit keeps its name, period, time zone and store.
 */
export class Budgets {
  /** The budgets of tenants. */
  readonly tenants: TenantBudgets;
  readonly #parts: BudgetsParts;
  readonly #factory: SpendLimitFactory;
  readonly #budgets = new Map<string, Budget>();
  #spendLimits = new Map<string, OpenSpendLimit>();
  #allowsCheapest = false;
  #shadow: EndpointBudgets | undefined;

  constructor(parts: BudgetsParts, config: BudgetedConfig) {
    this.#parts = parts;
    this.#factory = new SpendLimitFactory(parts);
    this.tenants = new TenantBudgets({ ...parts, factory: this.#factory });
    this.configure(config);
  }

  configure(config: BudgetedConfig): void {
    const { budgets, endpoints, groups, shadow } = config;
    this.#allowsCheapest = budgets.onExceeded === 'cheapest';
    this.tenants.configure(budgets);
    const before = this.#spendLimits;
    this.#spendLimits = new Map();
    this.#configure('total', { name: '', sharedName: '', limits: budgets.limits }, budgets, before);
    for (const group of groups) this.#configure('group', group, budgets, before);
    for (const endpoint of endpoints) this.#configure('endpoint', endpoint, budgets, before);
    if (shadow) this.#configure('shadow', shadow, budgets, before);
    for (const [key, { spendLimit }] of before) if (!this.#spendLimits.has(key)) void spendLimit.close();
    const used = new Set(['total:', ...groups.map(({ name }) => `group:${name}`)]);
    for (const { name } of endpoints) used.add(`endpoint:${name}`);
    if (shadow) used.add(`shadow:${shadow.name}`);
    const copies = shadow && this.#budgets.get(`shadow:${shadow.name}`);
    this.#shadow = copies && new EndpointBudgets([{ budget: copies, allowsCheapest: false }], undefined);
    for (const id of this.#budgets.keys()) if (!used.has(id)) this.#budgets.delete(id);
  }

  /** The budgets of calls at one endpoint; undefined if there are none, so that costs need not be estimated. */
  of(endpoint: string, group: string | undefined): EndpointBudgets | undefined {
    const own = [`endpoint:${endpoint}`, `group:${group ?? ''}`].flatMap((id) => this.#budgets.get(id) ?? []);
    const payers: Payer[] = own.map((budget) => ({ budget, allowsCheapest: false }));
    const total = this.#budgets.get('total:');
    if (total) payers.push({ budget: total, allowsCheapest: this.#allowsCheapest });
    const limited = payers.filter(({ budget }) => budget.limits.length > 0);
    const tenants = this.tenants.isLimited ? this.tenants : undefined;
    return limited.length === 0 && !tenants ? undefined : new EndpointBudgets(limited, tenants);
  }

  /** The budgets of the copies that a shadow gets, which live calls don't use; undefined without a shadow. */
  get shadow(): EndpointBudgets | undefined {
    return this.#shadow;
  }

  stats(): BudgetStats[] {
    return [...this.#budgets.values()].flatMap((budget) => budget.stats());
  }

  /** Returns leases to the store. */
  async close(): Promise<void> {
    const closing = [...this.#spendLimits.values()].map(({ spendLimit }) => spendLimit.close());
    await Promise.all([...closing, this.tenants.close()]);
  }

  #configure(
    scope: BudgetScope,
    { name, sharedName, limits }: BudgetedPart,
    options: ResolvedBudgets,
    before: ReadonlyMap<string, OpenSpendLimit>,
  ): void {
    const id = `${scope}:${name}`;
    const budget = this.#budgets.get(id) ?? new Budget(scope, name, this.#parts.onEvent);
    this.#budgets.set(id, budget);
    const names = LIMIT_NAMES.filter((limit) => limits[limit] !== undefined);
    const changed = (): void => {
      budget.check();
      this.#parts.onCapacity();
    };
    budget.configure(
      names.map((limit): BudgetLimit => {
        const units = Math.round((limits[limit] as number) * UNITS_PER_USD);
        const key = [scope, sharedName, limit, options.window, options.timeZone].join(' ');
        const known = before.get(key);
        const isKept = known !== undefined && known.store === options.store;
        const spendLimit = isKept
          ? known.spendLimit
          : this.#factory.open({ key, name: limit, units, keeping: options, onChange: changed });
        if (known && !isKept) void known.spendLimit.close();
        spendLimit.limit = units;
        this.#spendLimits.set(key, { spendLimit, store: options.store });
        return { name: limit, spendLimit };
      }),
    );
  }
}
