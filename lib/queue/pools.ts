import type { Priority } from '../call/context';
import { type ContestedResource, Pool } from './pool';
import type { Resource } from './queued-call';
import { WaitEstimator } from './wait-estimate';

/** The pools that have calls waiting, and the resources they compete for. */
export class Pools<Slot> {
  readonly #pools = new Map<string, Pool<Slot>>();
  readonly #contested = new Map<Resource, ContestedResource<Slot>>();
  readonly waitEstimator = new WaitEstimator<Slot>();

  values(): IterableIterator<Pool<Slot>> {
    return this.#pools.values();
  }

  contestedResources(): IterableIterator<ContestedResource<Slot>> {
    return this.#contested.values();
  }

  contestedResource(resource: Resource): ContestedResource<Slot> | undefined {
    return this.#contested.get(resource);
  }

  /** The pool of that key, made when need be. */
  getOrCreate(key: string, resources: readonly Resource[]): Pool<Slot> {
    const known = this.#pools.get(key);
    if (known !== undefined) return known;
    const contested = resources.map((resource) => this.#getOrAddContested(resource));
    const pool = new Pool(key, contested);
    for (const contestedResource of contested) contestedResource.pools.add(pool);
    this.#pools.set(key, pool);
    this.waitEstimator.clear();
    return pool;
  }

  /** Forgets pools in which nothing waits. Not as each empties: under load it is back in a moment. */
  sweep(): void {
    for (const pool of this.#pools.values()) {
      if (pool.size) continue;
      this.#pools.delete(pool.key);
      for (const contested of pool.resources) {
        contested.pools.delete(pool);
        if (!contested.pools.size) this.#contested.delete(contested.resource);
      }
    }
  }

  /** Whether the queue's next call on that resource comes before a new one of this rank. */
  comesBefore(rank: number, resource: Resource, fairness?: { priority: Priority; tenant: string }): boolean {
    const contested = this.#contested.get(resource);
    if (contested === undefined) return false;
    for (const { lanes } of contested.pools) {
      for (const lane of lanes) {
        const head = lane?.fairness.next;
        if (lane === undefined || head === undefined) continue;
        if (head.rank >= rank) return true;
        if (fairness?.priority !== head.call.priority) continue;
        if (lane.fairness.tenants > 1 || !lane.fairness.has(fairness.tenant)) return true;
      }
    }
    return false;
  }

  #getOrAddContested(resource: Resource): ContestedResource<Slot> {
    let contested = this.#contested.get(resource);
    if (contested === undefined) {
      contested = { resource, pools: new Set(), heldBy: -Infinity };
      this.#contested.set(resource, contested);
    }
    return contested;
  }
}
