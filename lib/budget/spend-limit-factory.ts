import { type Cluster, limiterKey } from '../cluster/cluster';
import type { OutageMode } from '../cluster/options';
import type { BudgetCounter } from './counter';
import { PERIODS, type ResolvedBudgets, type SpendLimitName } from './options';
import { redisCounter } from './redis-counter';
import { SharedSpendLimit } from './shared-spend-limit';
import { MemorySpendLimit, type SpendLimit } from './spend-limit';
import { storeCounter } from './store-counter';
import { createWindow, type Window } from './window';

/** How long a record is kept beyond its period, in milliseconds. */
const EXTRA_TTL_MS = 3_600_000;
const DEFAULT_PREFIX = 'ai-balancer';

/** How budgets are kept. */
export type BudgetKeeping = Pick<ResolvedBudgets, 'timeZone' | 'window' | 'store'>;

export interface SpendLimitFactoryParts {
  readonly cluster: Cluster | undefined;
  readonly onOutage: () => OutageMode;
}

export interface NewSpendLimit {
  /** Names the account where processes share it. */
  readonly key: string;
  readonly name: SpendLimitName;
  readonly units: number;
  readonly keeping: BudgetKeeping;
  /** More may be left than before, or what is spent has changed. */
  readonly onChange: () => void;
  /** How often a process without calls reports that it is there, in milliseconds. */
  readonly heartbeatMs?: number;
}

/** Opens accounts in memory, in the cluster's Redis or in a store of the app. */
export class SpendLimitFactory {
  readonly #parts: SpendLimitFactoryParts;
  /** A calendar's formatter is large, and thousands of tenants have the same. */
  readonly #windows = new Map<string, Window>();

  constructor(parts: SpendLimitFactoryParts) {
    this.#parts = parts;
  }

  /** Whether processes share what is kept like this. */
  isShared({ store }: BudgetKeeping): boolean {
    return store !== undefined || this.#parts.cluster !== undefined;
  }

  open({ key, name, units, keeping, onChange, heartbeatMs }: NewSpendLimit): SpendLimit {
    const window = this.#windowOf(name, keeping);
    const counter = this.#counter(key, window.spanMs + EXTRA_TTL_MS, keeping);
    if (!counter) return new MemorySpendLimit(window, units);
    return new SharedSpendLimit({
      counter,
      window,
      limit: units,
      // A store of the app is none of the cluster's outages.
      onOutage: keeping.store ? () => 'local-share' : this.#parts.onOutage,
      onChange,
      heartbeatMs,
    });
  }

  #windowOf(name: SpendLimitName, { timeZone, window }: BudgetKeeping): Window {
    const key = `${name} ${window} ${timeZone}`;
    const known = this.#windows.get(key) ?? createWindow(PERIODS[name], { timeZone, window });
    this.#windows.set(key, known);
    return known;
  }

  #counter(key: string, ttlMs: number, { store }: BudgetKeeping): BudgetCounter | undefined {
    const { cluster } = this.#parts;
    if (store) return storeCounter(store, `${DEFAULT_PREFIX}:budget:${key}`, ttlMs);
    if (!cluster) return undefined;
    const { prefix } = cluster.store;
    return redisCounter(cluster.store, limiterKey(prefix, `budget ${key}`), ttlMs, cluster.healthReports.now);
  }
}
