import type { Load } from './backlog';
import type { Entry, Pool } from './pool';
import type { Resource } from './queued-call';

/** How long summed rates are cached, in milliseconds. Rates change with the providers' headers. */
const RATES_TTL_MS = 1000;

/**
 * A pool of waiting calls that can use some of this pool's resources. `tokens` and `requests` are the shares (0 to 1)
 * of its refill that come from these resources.
 */
interface CompetingPool<Slot> extends Readonly<Load> {
  readonly pool: Pool<Slot>;
}

interface PoolRates<Slot> {
  readonly at: number;
  /** Refill of the pool's resources, in units per millisecond. */
  readonly rates: Load;
  readonly competingPools: readonly CompetingPool<Slot>[];
}

/**
 * Estimates how long the backlog delays a call: the work that comes before it, divided by the refill rate. A competing
 * pool's work counts only in proportion to the share of its refill that comes from this pool's resources (a fluid
 * model).
 */
export class WaitEstimator<Slot> {
  #ratesByPool = new WeakMap<Pool<Slot>, PoolRates<Slot>>();

  /** Drops cached rates. Call it when pools were added or removed. */
  clear(): void {
    this.#ratesByPool = new WeakMap();
  }

  /**
   * Milliseconds until a call could start; Infinity if never. `own` is what the call itself takes from the limits, in
   * addition to the calls ahead of it.
   */
  waitMs(pool: Pool<Slot>, entry: Entry<Slot>, own: Load, now: number): number {
    const { rates, competingPools } = this.#ratesFor(pool, now);
    let { tokens, requests } = own;
    for (const competing of competingPools) {
      if (!competing.pool.size) continue;
      const ahead = competing.pool.workBefore(entry);
      tokens += ahead.tokens * competing.tokens;
      requests += ahead.requests * competing.requests;
    }
    return Math.max(drainTimeMs(tokens, rates.tokens), drainTimeMs(requests, rates.requests));
  }

  #ratesFor(pool: Pool<Slot>, now: number): PoolRates<Slot> {
    const known = this.#ratesByPool.get(pool);
    if (known !== undefined && now - known.at < RATES_TTL_MS && now >= known.at) return known;
    const poolRates = { at: now, rates: ratesOf(resourcesOf(pool)), competingPools: competingPoolsOf(pool) };
    this.#ratesByPool.set(pool, poolRates);
    return poolRates;
  }
}

function drainTimeMs(amount: number, rate: number): number {
  return amount <= 0 ? 0 : amount / rate;
}

function resourcesOf<Slot>(pool: Pool<Slot>): Resource[] {
  return pool.resources.map(({ resource }) => resource);
}

function ratesOf(resources: readonly Resource[]): Load {
  const rates = { tokens: 0, requests: 0 };
  for (const { tokensPerMs, requestsPerMs } of resources) {
    rates.tokens += tokensPerMs;
    rates.requests += requestsPerMs;
  }
  return rates;
}

function competingPoolsOf<Slot>(pool: Pool<Slot>): CompetingPool<Slot>[] {
  const shared = new Map<Pool<Slot>, Resource[]>();
  for (const { resource, pools } of pool.resources) {
    for (const competing of pools) {
      const common = shared.get(competing);
      if (common === undefined) shared.set(competing, [resource]);
      else common.push(resource);
    }
  }
  return Array.from(shared, ([competing, common]) => {
    const all = resourcesOf(competing);
    const ofAll = ratesOf(all);
    const here = ratesOf(common);
    const evenly = common.length / all.length;
    return {
      pool: competing,
      tokens: share(here.tokens, ofAll.tokens, evenly),
      requests: share(here.requests, ofAll.requests, evenly),
    };
  });
}

/** The share of `here` in `all`. If the rates are zero or unlimited, each resource counts equally. */
function share(here: number, all: number, evenly: number): number {
  return all > 0 && Number.isFinite(all) ? here / all : evenly;
}
