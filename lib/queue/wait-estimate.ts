import type { Load } from './backlog';
import type { Pool } from './pool';
import type { Resource } from './queued-call';

/** How long the sums over rates are kept, in milliseconds: rates follow the providers' headers. */
const FRESH_MS = 1000;

interface Rates {
  tokens: number;
  requests: number;
}

/** A pool that competes for resources of another, and the share of its refill that lies there. */
interface Rival<Slot> {
  readonly pool: Pool<Slot>;
  readonly tokens: number;
  readonly requests: number;
}

interface Outlook<Slot> {
  readonly at: number;
  readonly rates: Rates;
  readonly rivals: readonly Rival<Slot>[];
}

/**
 * How long the backlog keeps a call from starting: what waits in denser or equally dense calls, over the refill. A
 * rival pool counts by the share of its refill that it draws from the pool's own resources: a fluid model.
 */
export class Forecast<Slot> {
  #outlooks = new WeakMap<Pool<Slot>, Outlook<Slot>>();

  /** Pools came or went. */
  forget(): void {
    this.#outlooks = new WeakMap();
  }

  /** Milliseconds until a call of that bucket could start; `own` is what it takes itself. Infinity when never. */
  waitMs(pool: Pool<Slot>, bucket: number, own: Load, now: number): number {
    const { rates, rivals } = this.#outlook(pool, now);
    let { tokens, requests } = own;
    for (const rival of rivals) {
      if (!rival.pool.size) continue;
      const ahead = rival.pool.backlog.ahead(bucket);
      tokens += ahead.tokens * rival.tokens;
      requests += ahead.requests * rival.requests;
    }
    return Math.max(time(tokens, rates.tokens), time(requests, rates.requests));
  }

  #outlook(pool: Pool<Slot>, now: number): Outlook<Slot> {
    const known = this.#outlooks.get(pool);
    if (known !== undefined && now - known.at < FRESH_MS && now >= known.at) return known;
    const outlook = { at: now, rates: ratesOf(resourcesOf(pool)), rivals: rivalsOf(pool) };
    this.#outlooks.set(pool, outlook);
    return outlook;
  }
}

function time(amount: number, rate: number): number {
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

function rivalsOf<Slot>(pool: Pool<Slot>): Rival<Slot>[] {
  const shared = new Map<Pool<Slot>, Resource[]>();
  for (const { resource, pools } of pool.resources) {
    for (const rival of pools) {
      const common = shared.get(rival);
      if (common === undefined) shared.set(rival, [resource]);
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
