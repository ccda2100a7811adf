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

/** The settings that determine where and how spending is counted. */
export type BudgetKeeping = Pick<ResolvedBudgets, 'timeZone' | 'window' | 'store'>;

export interface SpendLimitFactoryParts {
  readonly cluster: Cluster | undefined;
  readonly onOutage: () => OutageMode;
}

export interface NewSpendLimit {
  /** Identifies the limit among the processes that share it. */
  readonly key: string;
  readonly name: SpendLimitName;
  readonly units: number;
  readonly keeping: BudgetKeeping;
  /** Called when more of the limit may be left than before, or when its spending has changed. */
  readonly onChange: () => void;
  /** How often a process sends a report without calls, in milliseconds. */
  readonly heartbeatMs?: number;
}

/** Creates spend limits in memory, in the cluster's Redis or in a store of the application. */
export class SpendLimitFactory {
  readonly #parts: SpendLimitFactoryParts;
  /** Shared windows by period and options: a calendar's formatter is large, and thousands of tenants use the same. */
  readonly #windows = new Map<string, Window>();

  constructor(parts: SpendLimitFactoryParts) {
    this.#parts = parts;
  }

  /** Whether processes share the spending that is kept with these settings. */
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
      // With a store of the application always 'local-share', because `cluster.onOutage` applies only to Redis.
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
