import type { Load } from './backlog';
import type { Pool } from './pool';
import type { Resource } from './queued-call';

/** How long the sums over rates are kept, in milliseconds: rates follow the providers' headers. */
const RATES_TTL_MS = 1000;

interface Rates {
  tokens: number;
  requests: number;
}

/** A pool that competes for resources of another, and the share of its refill that lies there. */
interface CompetingPool<Slot> {
  readonly pool: Pool<Slot>;
  readonly tokens: number;
  readonly requests: number;
}

interface PoolRates<Slot> {
  readonly at: number;
  readonly rates: Rates;
  readonly competingPools: readonly CompetingPool<Slot>[];
}

/**
 * How long the backlog keeps a call from starting: what waits in denser or equally dense calls, over the refill. A
 * rival pool counts by the share of its refill that it draws from the pool's own resources: a fluid model.
 */
export class WaitEstimator<Slot> {
  #ratesByPool = new WeakMap<Pool<Slot>, PoolRates<Slot>>();

  /** Pools came or went. */
  clear(): void {
    this.#ratesByPool = new WeakMap();
  }

  /** Milliseconds until a call of that bucket could start; `own` is what it takes itself. Infinity when never. */
  waitMs(pool: Pool<Slot>, bucket: number, own: Load, now: number): number {
    const { rates, competingPools } = this.#ratesFor(pool, now);
    let { tokens, requests } = own;
    for (const competing of competingPools) {
      if (!competing.pool.size) continue;
      const ahead = competing.pool.backlog.ahead(bucket);
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

function ratesOf(resources: readonly Resource[]): Rates {
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
  return Array.from(shared, ([rival, common]) => {
    const all = resourcesOf(rival);
    const ofAll = ratesOf(all);
    const here = ratesOf(common);
    const evenly = common.length / all.length;
    return {
      pool: rival,
      tokens: share(here.tokens, ofAll.tokens, evenly),
      requests: share(here.requests, ofAll.requests, evenly),
    };
  });
}

/** Without rates that tell (none, or unlimited) the resources share evenly. */
function share(here: number, all: number, evenly: number): number {
  return all > 0 && Number.isFinite(all) ? here / all : evenly;
}
