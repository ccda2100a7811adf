import { callApp } from '../util/app-function';
import type { Counter, Counters } from './limits-counter';

/**
 * A limit for every tenant, or a function that returns the limit of a tenant. The function gets undefined for a client
 * without a tenant, and returns undefined for no limit.
 */
export type Limit =
  | number
  | ((tenant: string | undefined) => number | undefined | Promise<number | undefined>);

/** Limits that apply to each tenant separately. Default: none. */
export interface TenantLimitOptions {
  /** Requests per minute, in fixed windows. */
  rpm?: Limit | undefined;
  /** Prompt and output tokens per minute, in fixed windows. */
  tpm?: Limit | undefined;
  /** US dollars per 24 hours, in fixed windows. Calls to an endpoint without a price count as free. */
  usdPerDay?: Limit | undefined;
}

export type LimitName = 'requests' | 'tokens' | 'dollars';

/** The tenant or client whose usage is counted. */
export interface Tenant {
  /** Key of the tenant's counters, at most a few hundred characters. */
  readonly key: string;
  /** The application's name for the tenant; undefined for a client that is known only by its address. */
  readonly name: string | undefined;
}

/** The state of one limit of a tenant. */
export interface LimitState {
  readonly name: LimitName;
  readonly windowSeconds: number;
  /** The limit, in requests, tokens or dollars. */
  readonly limit: number;
  /** The part of the limit that is left, in the same unit; 0 if it is used up. */
  readonly remaining: number;
  /** Milliseconds until the window ends. */
  readonly resetMs: number;
  readonly isExceeded: boolean;
}

interface Meter {
  readonly name: LimitName;
  readonly option: keyof TenantLimitOptions;
  readonly windowSeconds: number;
  /**
   * Counter units per request, token or dollar. Counters count whole units, so dollars are counted in billionths,
   * because a call can cost less than a millionth.
   */
  readonly unitsPerOne: number;
}

const METERS: readonly Meter[] = [
  { name: 'requests', option: 'rpm', windowSeconds: 60, unitsPerOne: 1 },
  { name: 'tokens', option: 'tpm', windowSeconds: 60, unitsPerOne: 1 },
  { name: 'dollars', option: 'usdPerDay', windowSeconds: 86_400, unitsPerOne: 1e9 },
];

/**
 * The limits of tenants. A window begins with the first use. Requests are counted before they are served. A call is
 * admitted while any tokens and dollars are left, and its usage is counted afterwards, so calls in flight can exceed
 * these limits.
 */
export class TenantLimits {
  readonly #options: TenantLimitOptions;
  readonly #appTimeoutMs: number;
  readonly #counters = new Map<LimitName, Counter>();

  /** @param appTimeoutMs How long a limit function may take, in milliseconds. */
  constructor(options: TenantLimitOptions, counters: Counters, appTimeoutMs = Infinity) {
    this.#options = options;
    this.#appTimeoutMs = appTimeoutMs;
    for (const { name, option, windowSeconds } of METERS) {
      if (options[option] !== undefined) this.#counters.set(name, counters(name, windowSeconds));
    }
  }

  /** Counts a request. Resolves to the states of all limits. */
  countRequest(tenant: Tenant): Promise<readonly LimitState[]> {
    return this.#states(tenant, 1);
  }

  /**
   * Resolves to the states of all limits. Only tokens and dollars can be exceeded: the request has been counted
   * already.
   */
  check(tenant: Tenant): Promise<readonly LimitState[]> {
    return this.#states(tenant, 0);
  }

  /** Counts the usage of a call. */
  async recordUsage(
    tenant: Tenant,
    used: { readonly tokens: number; readonly dollars: number },
  ): Promise<void> {
    await Promise.all(
      METERS.map(async ({ name, unitsPerOne }) => {
        if (name === 'requests') return;
        const units = Math.round(used[name] * unitsPerOne);
        if (units > 0 && Number.isSafeInteger(units)) await this.#counters.get(name)?.(tenant.key, units);
      }),
    );
  }

  async #states(tenant: Tenant, requests: 0 | 1): Promise<readonly LimitState[]> {
    const states = METERS.map((meter) => this.#state(meter, tenant, requests));
    return (await Promise.all(states)).filter((state) => state !== undefined);
  }

  async #limitOf(option: keyof TenantLimitOptions, tenant: Tenant): Promise<number | undefined> {
    const limit = this.#options[option];
    const value =
      typeof limit === 'function'
        ? await callApp(`${option}()`, () => limit(tenant.name), this.#appTimeoutMs)
        : limit;
    if (value === undefined || (Number.isFinite(value) && value >= 0)) return value;
    throw new TypeError(
      `${option}(tenant): expected a finite number of at least 0 or undefined, got ${String(value)}`,
    );
  }

  async #state(meter: Meter, tenant: Tenant, requests: 0 | 1): Promise<LimitState | undefined> {
    const { name, windowSeconds, unitsPerOne } = meter;
    const counter = this.#counters.get(name);
    const limit = await this.#limitOf(meter.option, tenant);
    if (counter === undefined || limit === undefined) return undefined;
    const counts = name === 'requests' && requests > 0;
    const { units, resetMs } = await counter(tenant.key, counts ? 1 : 0);
    const used = units / unitsPerOne;
    return {
      name,
      windowSeconds,
      limit,
      remaining: Math.max(0, limit - used),
      resetMs,
      isExceeded: name === 'requests' ? counts && used > limit : used >= limit,
    };
  }
}

/**
 * The exceeded limit whose window ends last, because no retry can succeed before then; undefined if none is exceeded.
 */
export function exceededLimit(states: readonly LimitState[]): LimitState | undefined {
  return states.filter(({ isExceeded }) => isExceeded).sort((a, b) => b.resetMs - a.resetMs)[0];
}
