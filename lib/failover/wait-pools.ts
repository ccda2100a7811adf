import type { Quota } from '../quota/quota';
import { optionsOf, type Plan, poolKey } from '../routing/plan';

/** What the wait queue wants to know of the calls that may use the same endpoints. */
export interface WaitPool {
  readonly key: string;
  readonly resources: readonly Quota[];
}

/** Beyond so many, those known are forgotten. Calls of one pool still meet: the queue goes by the key. */
const MAX_POOLS = 1_000;

/** One pool for all calls whose plans have the same endpoints, so that thousands that wait share it. */
export class WaitPools {
  readonly #byKey = new Map<string, WaitPool>();
  #generation = -1;

  /** @param generation Counts reloads: a pool of an earlier one has other endpoints by the same names. */
  poolFor(plan: Plan, generation: number): WaitPool {
    if (generation !== this.#generation || this.#byKey.size >= MAX_POOLS) this.#byKey.clear();
    this.#generation = generation;
    const names = poolKey(plan);
    const known = this.#byKey.get(names);
    if (known) return known;
    const resources = [...new Set(optionsOf(plan).map(({ endpoint }) => endpoint.quota))];
    const pool = { key: `${generation}|${names}`, resources };
    this.#byKey.set(names, pool);
    return pool;
  }
}
