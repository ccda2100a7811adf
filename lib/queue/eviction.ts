import type { Priority } from '../call/context';
import { type HeapItem, IndexedHeap } from './heap';
import type { Entry } from './pool';
import { before, DENSITY_BUCKETS } from './value-density';

/** Field in which an entry stores its position in a policy. An entry may be in several policies. */
export type EvictionField = 'inEviction' | 'inLargeEviction';

interface TenantGroup<Slot> extends HeapItem<'inLargest'> {
  readonly tenant: string;
  /** Lowest rank first; among equal ranks, the newest first. */
  readonly calls: IndexedHeap<EvictionField, Entry<Slot>>;
}

/** The waiting calls of one priority, grouped by tenant. */
class PriorityLevel<Slot> {
  readonly groups = new Map<string, TenantGroup<Slot>>();
  readonly largest = new IndexedHeap<'inLargest', TenantGroup<Slot>>('inLargest', larger);
  readonly #perBucket = new Int32Array(DENSITY_BUCKETS);
  /** Upper bound on the index of the least dense occupied bucket; lowered to the exact value when read. */
  #maxBucket = -1;
  size = 0;

  count(bucket: number, by: 1 | -1): void {
    this.#perBucket[bucket] = (this.#perBucket[bucket] as number) + by;
    this.size += by;
    if (bucket > this.#maxBucket) this.#maxBucket = bucket;
  }

  /** Density bucket of the least dense call; -1 if no call waits. */
  get leastDenseBucket(): number {
    while (this.#maxBucket >= 0 && !this.#perBucket[this.#maxBucket]) this.#maxBucket -= 1;
    return this.#maxBucket;
  }
}

/**
 * Chooses the call that is evicted from a full queue: the priority of the least dense call is chosen, and within it the
 * tenant with the most waiting calls loses its call of the lowest rank. So a tenant that floods the queue with small
 * calls loses its own calls, not the few calls of another tenant.
 */
export class EvictionPolicy<Slot> {
  readonly #field: EvictionField;
  readonly #levels = [1, 2, 3, 4, 5].map(() => new PriorityLevel<Slot>());

  constructor(field: EvictionField) {
    this.#field = field;
  }

  get size(): number {
    return this.#levels.reduce((sum, { size }) => sum + size, 0);
  }

  sizeOf(priority: Priority): number {
    return this.#levelOf(priority).size;
  }

  has(entry: Entry<Slot>): boolean {
    return entry[this.#field] >= 0;
  }

  add(entry: Entry<Slot>): void {
    const level = this.#levelOf(entry.call.priority);
    level.count(entry.bucket, 1);
    const group = level.groups.get(entry.tenant);
    if (group === undefined) {
      const newGroup = {
        tenant: entry.tenant,
        inLargest: -1,
        calls: new IndexedHeap<EvictionField, Entry<Slot>>(this.#field, lessDense),
      };
      newGroup.calls.add(entry);
      level.groups.set(entry.tenant, newGroup);
      level.largest.add(newGroup);
    } else {
      group.calls.add(entry);
      level.largest.update(group);
    }
  }

  remove(entry: Entry<Slot>): void {
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

  get victim(): Entry<Slot> | undefined {
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

function lessDense<Slot>(a: Entry<Slot>, b: Entry<Slot>): boolean {
  return before(b, a);
}

function larger<Slot>(a: TenantGroup<Slot>, b: TenantGroup<Slot>): boolean {
  if (a.calls.size !== b.calls.size) return a.calls.size > b.calls.size;
  return lessDense(a.calls.first as Entry<Slot>, b.calls.first as Entry<Slot>);
}
