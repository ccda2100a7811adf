import type { Priority } from '../call/context';
import { type HeapItem, IndexedHeap } from './heap';
import type { PooledEntry } from './pool';
import { before, DENSITY_BUCKETS } from './value-density';

interface Group<Slot> extends HeapItem<'inLargest'> {
  readonly tenant: string;
  /** The least dense first; of equals the last to come. */
  readonly calls: IndexedHeap<'inCrowd', PooledEntry<Slot>>;
}

/** All who wait with one priority, grouped by tenant. */
class Rank<Slot> {
  readonly groups = new Map<string, Group<Slot>>();
  readonly largest = new IndexedHeap<'inLargest', Group<Slot>>('inLargest', larger);
  readonly #perBucket = new Int32Array(DENSITY_BUCKETS);
  /** No bucket beyond this one has calls; found exactly only when asked. */
  #worst = -1;
  size = 0;

  count(bucket: number, by: 1 | -1): void {
    this.#perBucket[bucket] = (this.#perBucket[bucket] as number) + by;
    this.size += by;
    if (bucket > this.#worst) this.#worst = bucket;
  }

  /** The bucket of the least dense call; -1 when nobody waits. */
  get leastDense(): number {
    while (this.#worst >= 0 && !this.#perBucket[this.#worst]) this.#worst -= 1;
    return this.#worst;
  }
}

/**
 * Who must leave a full queue. The least dense call tells the priority; within it the tenant with the most calls
 * waiting gives up its least dense one. So a flood of small calls displaces itself, not the few calls of another
 * tenant of that priority.
 */
export class Crowd<Slot> {
  readonly #ranks = [1, 2, 3, 4, 5].map(() => new Rank<Slot>());

  get size(): number {
    return this.#ranks.reduce((sum, { size }) => sum + size, 0);
  }

  of(priority: Priority): number {
    return this.#rank(priority).size;
  }

  has(entry: PooledEntry<Slot>): boolean {
    return entry.inCrowd >= 0;
  }

  add(entry: PooledEntry<Slot>): void {
    const rank = this.#rank(entry.call.priority);
    rank.count(entry.bucket, 1);
    const group = rank.groups.get(entry.tenant);
    if (group === undefined) {
      const opened = {
        tenant: entry.tenant,
        inLargest: -1,
        calls: new IndexedHeap<'inCrowd', PooledEntry<Slot>>('inCrowd', lessDense),
      };
      opened.calls.add(entry);
      rank.groups.set(entry.tenant, opened);
      rank.largest.add(opened);
    } else {
      group.calls.add(entry);
      rank.largest.update(group);
    }
  }

  remove(entry: PooledEntry<Slot>): void {
    const rank = this.#rank(entry.call.priority);
    const group = rank.groups.get(entry.tenant);
    if (!group?.calls.remove(entry)) return;
    rank.count(entry.bucket, -1);
    if (group.calls.size) {
      rank.largest.update(group);
    } else {
      rank.largest.remove(group);
      rank.groups.delete(entry.tenant);
    }
  }

  /** The one to leave, of those that wait. */
  get leaver(): PooledEntry<Slot> | undefined {
    let chosen: Rank<Slot> | undefined;
    let bucket = -1;
    for (const rank of this.#ranks) {
      if (rank.leastDense <= bucket) continue;
      bucket = rank.leastDense;
      chosen = rank;
    }
    return chosen?.largest.first?.calls.first;
  }

  #rank(priority: Priority): Rank<Slot> {
    return this.#ranks[priority - 1] as Rank<Slot>;
  }
}

function lessDense<Slot>(a: PooledEntry<Slot>, b: PooledEntry<Slot>): boolean {
  return before(b, a);
}

function larger<Slot>(a: Group<Slot>, b: Group<Slot>): boolean {
  if (a.calls.size !== b.calls.size) return a.calls.size > b.calls.size;
  return lessDense(a.calls.first as PooledEntry<Slot>, b.calls.first as PooledEntry<Slot>);
}
