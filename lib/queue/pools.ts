import type { Priority } from '../call/context';
import { type ContestedResource, Pool } from './pool';
import type { QueuedCall, Resource } from './queued-call';
import { WaitEstimator } from './wait-estimate';

/** The pools with waiting calls, and the resources for which they compete. */
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

  /** Returns the pool for the call's `poolKey`. Creates it if no call waits under this key. */
  getOrCreate(call: QueuedCall<Slot>): Pool<Slot> {
    const { poolKey, resources, closedMs } = call;
    const known = this.#pools.get(poolKey);
    if (known !== undefined) return known;
    const contested = resources.map((resource) => this.#getOrAddContested(resource));
    const pool = new Pool(poolKey, contested, closedMs);
    for (const contestedResource of contested) contestedResource.pools.add(pool);
    this.#pools.set(poolKey, pool);
    this.waitEstimator.clear();
    return pool;
  }

  /** Removes empty pools. Not done for every call that leaves, because under load an empty pool is soon used again. */
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

  isWaitedFor(resource: Resource): boolean {
    for (const { size } of this.#contested.get(resource)?.pools ?? []) if (size > 0) return true;
    return false;
  }

  /**
   * Whether a waiting call for this resource comes before a new call of this rank. With `fairness`, any waiting call of
   * another tenant with the same priority also comes first.
   */
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
