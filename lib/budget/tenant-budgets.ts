import { createHash } from 'node:crypto';
import { callAppSync } from '../util/app-function';
import { startTimer, type Timer } from '../util/timers';
import { Budget, type BudgetEvent, type BudgetLimit, type BudgetStats, type Payer } from './budget';
import {
  LIMIT_NAMES,
  type ResolvedBudgets,
  type ResolvedTenantBudgets,
  type SpendLimitName,
  UNITS_PER_USD,
} from './options';
import type { SpendLimit } from './spend-limit';
import type { BudgetKeeping, SpendLimitFactory } from './spend-limit-factory';

/** How long a tenant without calls keeps its lease of a shared budget, in milliseconds. */
const IDLE_MS = 60_000;
/**
 * How often a process reports a tenant without calls, in milliseconds. The interval is long because there may be
 * thousands of tenants.
 */
const HEARTBEAT_MS = 5_000;
/** How many tenants, from the one that called longest ago, are searched for one that can be forgotten without loss. */
const EVICTION_TRIES = 16;

export interface TenantBudgetsParts {
  readonly factory: SpendLimitFactory;
  readonly onEvent: (event: BudgetEvent) => void;
  /** Called when a waiting call may be able to start. */
  readonly onCapacity: () => void;
  /** Called when the spending of a tenant was forgotten, because there are more tenants than are kept in memory. */
  readonly onForgotten: (maxTenants: number) => void;
}

interface Tenant extends Payer {
  allowsCheapest: boolean;
  /** False once the tenant's limits are closed. They are opened again when they are needed. */
  isOpen: boolean;
  readonly open: Map<SpendLimitName, SpendLimit>;
  /** When the tenant last called, on performance.now(). */
  usedAt: number;
}

interface Settings {
  readonly options: ResolvedTenantBudgets;
  readonly keeping: BudgetKeeping;
}

/**
 * The budgets of tenants, which are opened at a tenant's first call and limited in number. The lease of a shared budget
 * is returned when its tenant has not called for a minute.
 */
export class TenantBudgets {
  readonly #parts: TenantBudgetsParts;
  #settings: Settings | undefined;
  /** The tenants, from the one that called longest ago to the latest. */
  readonly #tenants = new Map<string, Tenant>();
  #sweep: Timer | undefined;

  constructor(parts: TenantBudgetsParts) {
    this.#parts = parts;
  }

  /** Whether the configuration has budgets for tenants. */
  get isLimited(): boolean {
    return this.#settings !== undefined;
  }

  /**
   * Applies a configuration. Limits change with the next call of a tenant; what is spent carries over if it is kept in
   * the same way.
   */
  configure({ perTenant, timeZone, window, store }: ResolvedBudgets): void {
    const before = this.#settings;
    const keeping = { timeZone, window, store };
    this.#settings = perTenant && { options: perTenant, keeping };
    const isKept =
      perTenant !== undefined &&
      timeZone === before?.keeping.timeZone &&
      window === before.keeping.window &&
      store === before.keeping.store;
    if (!isKept) void this.close();
  }

  /**
   * Called when a call of the tenant begins. Reads the tenant's limits from the application.
   * @throws what a limit's function throws; a TypeError for a limit that is not a number of at least 0.
   */
  enter(tenant: string | undefined): void {
    if (!this.#settings || tenant === undefined) return;
    const { options } = this.#settings;
    const limits = LIMIT_NAMES.flatMap((name) => {
      const usd = limitOf(name, options, tenant);
      return usd === undefined ? [] : [[name, usd] as const];
    });
    const entry = this.#tenants.get(tenant) ?? this.#newTenant(tenant);
    this.#tenants.delete(tenant);
    this.#tenants.set(tenant, entry);
    entry.usedAt = performance.now();
    entry.allowsCheapest = options.onExceeded === 'cheapest';
    entry.isOpen = true;
    this.#open(tenant, entry, new Map(limits), this.#settings.keeping);
    if (this.#tenants.size > options.maxTenants) this.#evict(options.maxTenants);
  }

  /** The budget of a tenant whose call has begun; opens its limits again if they were closed. */
  of(tenant: string): Payer | undefined {
    const known = this.#tenants.get(tenant);
    // If the call has waited for long, the limits of its tenant may have been closed as idle.
    if (!known?.isOpen) this.enter(tenant);
    const entry = known ?? this.#tenants.get(tenant);
    if (entry) entry.usedAt = performance.now();
    return entry;
  }

  /** The limits of a tenant and their use. Empty for a tenant that has not called recently. */
  stats(tenant: string): BudgetStats[] {
    return this.#tenants.get(tenant)?.budget.stats() ?? [];
  }

  /** Closes all limits, which returns their leases. */
  async close(): Promise<void> {
    clearTimeout(this.#sweep);
    this.#sweep = undefined;
    const closing = [...this.#tenants.values()].map(closeAll);
    this.#tenants.clear();
    await Promise.all(closing);
  }

  #newTenant(name: string): Tenant {
    return {
      budget: new Budget('tenant', name, this.#parts.onEvent),
      allowsCheapest: false,
      isOpen: false,
      open: new Map(),
      usedAt: 0,
    };
  }

  #open(
    tenant: string,
    { budget, open }: Tenant,
    limits: ReadonlyMap<SpendLimitName, number>,
    keeping: BudgetKeeping,
  ): void {
    const { factory, onCapacity } = this.#parts;
    for (const [name, spendLimit] of open) {
      if (limits.has(name)) continue;
      open.delete(name);
      void spendLimit.close();
    }
    for (const [name, usd] of limits) {
      const units = Math.round(usd * UNITS_PER_USD);
      const known = open.get(name);
      if (known) known.limit = units;
      else {
        const key = ['tenant', hash(tenant), name, keeping.window, keeping.timeZone].join(' ');
        const onChange = (): void => {
          budget.check();
          onCapacity();
        };
        open.set(name, factory.open({ key, name, units, keeping, onChange, heartbeatMs: HEARTBEAT_MS }));
      }
    }
    budget.configure([...open].map(([name, spendLimit]): BudgetLimit => ({ name, spendLimit })));
    if (open.size > 0 && factory.isShared(keeping)) this.#startSweep();
  }

  /** Forgets one of the tenants that called longest ago, preferably one that has spent nothing. */
  #evict(maxTenants: number): void {
    let victim: [name: string, tenant: Tenant] | undefined;
    let tries = 0;
    for (const entry of this.#tenants) {
      if (++tries > EVICTION_TRIES || tries >= this.#tenants.size) break;
      if (figuresOf(entry[1]).reserved > 0) continue;
      victim ??= entry;
      if (figuresOf(entry[1]).spent > 0) continue;
      victim = entry;
      break;
    }
    // Tenants with attempts in flight are kept. The number of attempts is bounded, and so is that of the tenants beyond
    // the limit.
    if (!victim) return;
    const [name, tenant] = victim;
    const isLost = figuresOf(tenant).spent > 0 && !this.#isShared;
    this.#tenants.delete(name);
    void closeAll(tenant);
    if (isLost) this.#parts.onForgotten(maxTenants);
  }

  get #isShared(): boolean {
    return this.#settings !== undefined && this.#parts.factory.isShared(this.#settings.keeping);
  }

  #startSweep(): void {
    this.#sweep ??= startTimer(() => this.#closeIdle(), IDLE_MS / 2).unref();
  }

  /** Closes the limits of tenants without recent calls. Reported levels are kept, so that an event is not repeated. */
  #closeIdle(): void {
    this.#sweep = undefined;
    const oldest = performance.now() - IDLE_MS;
    let isAnyOpen = false;
    for (const tenant of this.#tenants.values()) {
      if (tenant.usedAt < oldest && figuresOf(tenant).reserved === 0) void closeAll(tenant);
      isAnyOpen ||= tenant.open.size > 0;
    }
    if (isAnyOpen) this.#startSweep();
  }
}

async function closeAll(tenant: Tenant): Promise<void> {
  const { budget, open } = tenant;
  tenant.isOpen = false;
  const closing = [...open.values()].map((spendLimit) => spendLimit.close());
  open.clear();
  budget.configure([]);
  await Promise.all(closing);
}

function figuresOf({ open }: Tenant): { spent: number; reserved: number } {
  const sum = { spent: 0, reserved: 0 };
  for (const spendLimit of open.values()) {
    const { spent, reserved } = spendLimit.figures();
    sum.spent += spent;
    sum.reserved += reserved;
  }
  return sum;
}

function limitOf(
  name: SpendLimitName,
  { limits }: ResolvedTenantBudgets,
  tenant: string,
): number | undefined {
  const limit = limits[name];
  if (typeof limit !== 'function') return limit;
  const usd = callAppSync(`budgets.perTenant.${name}()`, () => limit(tenant));
  if (usd === undefined || (typeof usd === 'number' && Number.isFinite(usd) && usd >= 0 && usd <= 1_000_000))
    return usd;
  throw new TypeError(
    `budgets.perTenant.${name}(tenant): expected US dollars from 0 to 1000000 or undefined, got ${String(usd)}`,
  );
}

/** Hashes the name of a tenant for the keys of a store, because it may be a person's name. */
function hash(tenant: string): string {
  return createHash('sha256').update(tenant).digest('base64url').slice(0, 22);
}
