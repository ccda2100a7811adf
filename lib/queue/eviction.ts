import type { Priority } from '../call/context';
import { type HeapItem, IndexedHeap } from './heap';
import type { PooledEntry } from './pool';
import { before, DENSITY_BUCKETS } from './value-density';

interface TenantGroup<Slot> extends HeapItem<'inLargest'> {
  readonly tenant: string;
  /** The least dense first; of equals the last to come. */
  readonly calls: IndexedHeap<'inCrowd', PooledEntry<Slot>>;
}

/** All who wait with one priority, grouped by tenant. */
class PriorityLevel<Slot> {
  readonly groups = new Map<string, TenantGroup<Slot>>();
  readonly largest = new IndexedHeap<'inLargest', TenantGroup<Slot>>('inLargest', larger);
  readonly #perBucket = new Int32Array(DENSITY_BUCKETS);
  /** No bucket beyond this one has calls; found exactly only when asked. */
  #maxBucket = -1;
  size = 0;

  count(bucket: number, by: 1 | -1): void {
    this.#perBucket[bucket] = (this.#perBucket[bucket] as number) + by;
    this.size += by;
    if (bucket > this.#maxBucket) this.#maxBucket = bucket;
  }

  /** The bucket of the least dense call; -1 when nobody waits. */
  get leastDenseBucket(): number {
    while (this.#maxBucket >= 0 && !this.#perBucket[this.#maxBucket]) this.#maxBucket -= 1;
    return this.#maxBucket;
  }
}

/**
 * Who must leave a full queue. The least dense call tells the priority; within it the tenant with the most calls
 * waiting gives up its least dense one. So a flood of small calls displaces itself, not the few calls of another
 * tenant of that priority.
 */
export class EvictionPolicy<Slot> {
  readonly #levels = [1, 2, 3, 4, 5].map(() => new PriorityLevel<Slot>());

  get size(): number {
    return this.#levels.reduce((sum, { size }) => sum + size, 0);
  }

  sizeOf(priority: Priority): number {
    return this.#levelOf(priority).size;
  }

  has(entry: PooledEntry<Slot>): boolean {
    return entry.inCrowd >= 0;
  }

  add(entry: PooledEntry<Slot>): void {
    const level = this.#levelOf(entry.call.priority);
    level.count(entry.bucket, 1);
    const group = level.groups.get(entry.tenant);
    if (group === undefined) {
      const newGroup = {
        tenant: entry.tenant,
        inLargest: -1,
        calls: new IndexedHeap<'inCrowd', PooledEntry<Slot>>('inCrowd', lessDense),
      };
      newGroup.calls.add(entry);
      level.groups.set(entry.tenant, newGroup);
      level.largest.add(newGroup);
    } else {
      group.calls.add(entry);
      level.largest.update(group);
    }
  }

  remove(entry: PooledEntry<Slot>): void {
    const level = this.#levelOf(entry.call.priority);
    const group = level.groups.get(entry.tenant);
    if (!group?.calls.remove(entry)) return;
    level.count(entry.bucket, -1);
    if (group.calls.size) {
      level.largest.update(group);
    } else {
      level.largest.remove(group);
      level.groups.delete(entry.tenant);
    }
  }

  /** The one to leave, of those that wait. */
  get victim(): PooledEntry<Slot> | undefined {
    let chosen: PriorityLevel<Slot> | undefined;
    let bucket = -1;
    for (const level of this.#levels) {
      if (level.leastDenseBucket <= bucket) continue;
      bucket = level.leastDenseBucket;
      chosen = level;
    }
    return chosen?.largest.first?.calls.first;
  }

  #levelOf(priority: Priority): PriorityLevel<Slot> {
    return this.#levels[priority - 1] as PriorityLevel<Slot>;
  }
}

function lessDense<Slot>(a: PooledEntry<Slot>, b: PooledEntry<Slot>): boolean {
  return before(b, a);
}

function larger<Slot>(a: TenantGroup<Slot>, b: TenantGroup<Slot>): boolean {
  if (a.calls.size !== b.calls.size) return a.calls.size > b.calls.size;
  return lessDense(a.calls.first as PooledEntry<Slot>, b.calls.first as PooledEntry<Slot>);
}
