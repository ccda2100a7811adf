/** Limits in US dollars, which can be combined. Calls to an endpoint without a price are free and never refused. */
export interface SpendLimits {
  /** US dollars per hour. Default: no limit. */
  usdPerHour?: number | undefined;
  /** US dollars per day. Default: no limit. */
  usdPerDay?: number | undefined;
  /** US dollars per month, or per 30 days with a rolling window. Default: no limit. */
  usdPerMonth?: number | undefined;
}

/** How the periods of budgets are counted. */
export interface BudgetWindowOptions {
  /** The IANA time zone of the hours, days and months. Default 'UTC'. */
  timeZone?: string | undefined;
  /**
   * 'calendar': a budget starts again with each hour, day and month of the time zone. 'rolling': a budget applies to
   * any hour, any 24 hours and any 30 days, and spent money becomes available again in steps of 5 minutes, an hour and
   * a day. Default 'calendar'.
   */
  window?: 'calendar' | 'rolling' | undefined;
}

/**
 * A store in which several processes share their budgets, instead of the cluster's Redis: a text record for each key,
 * such as a row of a database.
 */
export interface BudgetStore {
  /**
   * Replaces the record of a key by `change(record)`, in one atomic step: no other change of the record may come
   * between. `change` is synchronous and may be called again after a conflict; the last call counts. If the promise
   * rejects, or takes longer than 2 s, the store counts as unreachable and is tried again after a second.
   *
   * @param change Receives the record, or undefined if there is none, and returns the new one.
   * @param ttlMs How long the record must be kept after its last change, in milliseconds. Then it may be deleted.
   */
  update(key: string, change: (record: string | undefined) => string, ttlMs: number): Promise<void>;
}

/**
 * A limit in US dollars of every tenant, or a synchronous function of the tenant, which is called when a call begins and
 * returns a number of at least 0, or undefined for no limit.
 */
export type TenantSpendLimit = number | ((tenant: string) => number | undefined);

/** Budgets of each tenant, by the `tenant` of the calls. Calls without a tenant are not limited by them. */
export interface TenantBudgetOptions {
  /** US dollars per hour of each tenant. Default: no limit. */
  usdPerHour?: TenantSpendLimit | undefined;
  /** US dollars per day of each tenant. Default: no limit. */
  usdPerDay?: TenantSpendLimit | undefined;
  /** US dollars per month of each tenant, or per 30 days with a rolling window. Default: no limit. */
  usdPerMonth?: TenantSpendLimit | undefined;
  /**
   * What happens when a tenant's budget is spent. 'refuse': the tenant's calls fail with ERR_AI_BUDGET. 'cheapest':
   * they continue, but only at the cheapest endpoint that can serve them. Default 'refuse'.
   */
  onExceeded?: 'refuse' | 'cheapest' | undefined;
  /**
   * Maximum number of tenants whose spending is kept in memory. Beyond it the tenant that called longest ago is
   * forgotten, preferably one that has spent nothing. With Redis or a store nothing is lost: the spending is read
   * again. Default 10,000.
   */
  maxTenants?: number | undefined;
}

/** Budgets over all calls, and how all budgets are kept. */
export interface BudgetOptions extends SpendLimits, BudgetWindowOptions {
  /**
   * What happens when a budget over all calls is spent. 'refuse': calls fail with ERR_AI_BUDGET. 'cheapest': they
   * continue, but only at the cheapest endpoint that can serve them. Default 'refuse'.
   */
  onExceeded?: 'refuse' | 'cheapest' | undefined;
  /**
   * Budgets of each tenant, in addition to those over all calls: a call needs money in both. Default: none; see {@link
   * TenantBudgetOptions}.
   */
  perTenant?: TenantBudgetOptions | undefined;
  /**
   * The store through which processes share the budgets. Default: the cluster's Redis if there is a cluster; otherwise
   * each process counts by itself, in memory.
   */
  store?: BudgetStore | undefined;
}

/** The budgets of a configuration with every default filled in. */
export interface ResolvedBudgets {
  readonly limits: SpendLimits;
  readonly timeZone: string;
  readonly window: 'calendar' | 'rolling';
  readonly onExceeded: 'refuse' | 'cheapest';
  readonly store: BudgetStore | undefined;
  readonly perTenant: ResolvedTenantBudgets | undefined;
}

/** The budgets of tenants with every default filled in. */
export interface ResolvedTenantBudgets {
  readonly limits: Readonly<Partial<Record<SpendLimitName, TenantSpendLimit>>>;
  readonly onExceeded: 'refuse' | 'cheapest';
  readonly maxTenants: number;
}

/** Name of a limit in US dollars. */
export type SpendLimitName = 'usdPerHour' | 'usdPerDay' | 'usdPerMonth';
export type Period = 'hour' | 'day' | 'month';

/** The options that are limits, and their periods. */
export const PERIODS: Readonly<Record<SpendLimitName, Period>> = {
  usdPerHour: 'hour',
  usdPerDay: 'day',
  usdPerMonth: 'month',
};

/** The names of the limits, shortest period first. */
export const LIMIT_NAMES = Object.keys(PERIODS) as SpendLimitName[];

/** Budgets are counted in billionths of a dollar, because a call can cost less than a millionth. */
export const UNITS_PER_USD = 1e9;
