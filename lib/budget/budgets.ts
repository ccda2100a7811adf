import { type Cluster, limiterKey } from '../cluster/cluster';
import type { OutageMode } from '../cluster/options';
import { Budget, type BudgetEvent, type BudgetLimit, type BudgetScope, type BudgetStats } from './budget';
import type { BudgetCounter } from './counter';
import { EndpointBudgets } from './endpoint-budgets';
import {
  PERIODS,
  type ResolvedBudgets,
  type SpendLimitName,
  type SpendLimits,
  UNITS_PER_USD,
} from './options';
import { redisCounter } from './redis-counter';
import { SharedSpendLimit } from './shared-spend-limit';
import { MemorySpendLimit, type SpendLimit } from './spend-limit';
import { storeCounter } from './store-counter';
import { createWindow } from './window';

/** How long a record is kept beyond its period, in milliseconds. */
const EXTRA_TTL_MS = 3_600_000;
const DEFAULT_PREFIX = 'ai-balancer';

/** What is limited in a configuration. Names identify an endpoint or group, among processes that share a store too. */
export interface BudgetedConfig {
  readonly budgets: ResolvedBudgets;
  readonly endpoints: readonly BudgetedPart[];
  readonly groups: readonly BudgetedPart[];
}

export interface BudgetedPart {
  readonly name: string;
  /** The name among processes that share a store: with a hash of its account. */
  readonly sharedName: string;
  readonly limits: SpendLimits;
}

export interface BudgetsParts {
  readonly cluster: Cluster | undefined;
  readonly onOutage: () => OutageMode;
  readonly onEvent: (event: BudgetEvent) => void;
  /** A waiting call may be able to start. */
  readonly onCapacity: () => void;
}

interface OpenSpendLimit {
  readonly spendLimit: SpendLimit;
  readonly store: ResolvedBudgets['store'];
}

/**
 * All budgets of a configuration. A new configuration updates them in place: what is spent and reserved carries over, as
 * long as a limit keeps its name, period, time zone and store.
 */
export class Budgets {
  readonly #parts: BudgetsParts;
  readonly #budgets = new Map<string, Budget>();
  #spendLimits = new Map<string, OpenSpendLimit>();
  #allowsCheapest = false;

  constructor(parts: BudgetsParts, config: BudgetedConfig) {
    this.#parts = parts;
    this.configure(config);
  }

  configure(config: BudgetedConfig): void {
    const { budgets, endpoints, groups } = config;
    this.#allowsCheapest = budgets.onExceeded === 'cheapest';
    const before = this.#spendLimits;
    this.#spendLimits = new Map();
    this.#configure('total', { name: '', sharedName: '', limits: budgets.limits }, budgets, before);
    for (const group of groups) this.#configure('group', group, budgets, before);
    for (const endpoint of endpoints) this.#configure('endpoint', endpoint, budgets, before);
    for (const [key, { spendLimit }] of before) if (!this.#spendLimits.has(key)) void spendLimit.close();
    const used = new Set(['total:', ...groups.map(({ name }) => `group:${name}`)]);
    for (const { name } of endpoints) used.add(`endpoint:${name}`);
    for (const id of this.#budgets.keys()) if (!used.has(id)) this.#budgets.delete(id);
  }

  /** The budgets of one endpoint; undefined without any, so that its calls are not even estimated. */
  of(endpoint: string, group: string | undefined): EndpointBudgets | undefined {
    const own = [`endpoint:${endpoint}`, `group:${group ?? ''}`].flatMap((id) => this.#budgets.get(id) ?? []);
    const limited = own.filter(({ limits }) => limits.length > 0);
    const total = this.#budgets.get('total:');
    const hasTotal = total !== undefined && total.limits.length > 0;
    if (limited.length === 0 && !hasTotal) return undefined;
    return new EndpointBudgets(limited, hasTotal ? total : undefined, this.#allowsCheapest);
  }

  stats(): BudgetStats[] {
    return [...this.#budgets.values()].flatMap((budget) => budget.stats());
  }

  /** Gives leases back to the store. */
  async close(): Promise<void> {
    await Promise.all([...this.#spendLimits.values()].map(({ spendLimit }) => spendLimit.close()));
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
    const names = (Object.keys(PERIODS) as SpendLimitName[]).filter((limit) => limits[limit] !== undefined);
    budget.configure(
      names.map((limit): BudgetLimit => {
        const units = Math.round((limits[limit] ?? 0) * UNITS_PER_USD);
        const key = [scope, sharedName, limit, options.window, options.timeZone].join(' ');
        const known = before.get(key);
        const isKept = known !== undefined && known.store === options.store;
        const spendLimit = isKept ? known.spendLimit : this.#open(key, limit, units, options, budget);
        if (known && !isKept) void known.spendLimit.close();
        spendLimit.limit = units;
        this.#spendLimits.set(key, { spendLimit, store: options.store });
        return { name: limit, spendLimit };
      }),
    );
  }

  #open(
    key: string,
    limit: SpendLimitName,
    units: number,
    options: ResolvedBudgets,
    budget: Budget,
  ): SpendLimit {
    const window = createWindow(PERIODS[limit], options);
    const counter = this.#counter(key, window.spanMs + EXTRA_TTL_MS, options);
    if (!counter) return new MemorySpendLimit(window, units);
    return new SharedSpendLimit({
      counter,
      window,
      limit: units,
      // A store of the app is none of the cluster's outages.
      onOutage: options.store ? () => 'local-share' : this.#parts.onOutage,
      onChange: () => {
        budget.check();
        this.#parts.onCapacity();
      },
    });
  }

  #counter(key: string, ttlMs: number, { store }: ResolvedBudgets): BudgetCounter | undefined {
    const { cluster } = this.#parts;
    if (store) return storeCounter(store, `${DEFAULT_PREFIX}:budget:${key}`, ttlMs);
    if (!cluster) return undefined;
    const { prefix } = cluster.store;
    return redisCounter(cluster.store, limiterKey(prefix, `budget ${key}`), ttlMs, cluster.healthReports.now);
  }
}
