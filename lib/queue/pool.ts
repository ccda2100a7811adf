import type { Priority } from '../call/context';
import { Backlog } from './backlog';
import { Entry } from './entry';
import type { HeapItem } from './heap';
import type { Resource } from './queued-call';
import { TenantFairness } from './tenant-fairness';

/** A resource for which calls are waiting. */
export interface ContestedResource<Slot> {
  readonly resource: Resource;
  readonly pools: Set<Pool<Slot>>;
  /** The rank of the blocked call that holds the resource in the current drain; -Infinity when none does. */
  heldBy: number;
}

/** A waiting call with the pool it waits in. */
export class PooledEntry<Slot> extends Entry<Slot> {
  pool: Pool<Slot> | undefined;
}

/** The calls of one priority in one pool. The head is the next call by tenant fairness. */
export class Lane<Slot> implements HeapItem<'inDrain'> {
  inDrain = -1;
  readonly pool: Pool<Slot>;
  readonly fairness = new TenantFairness<PooledEntry<Slot>>();
  /** The rank in the current drain, updated when the lane is put into the heap. */
  rank = -Infinity;
  seq = 0;
  /** The rank of the blocked call in the current drain: calls behind it must not overtake it. */
  maxRank = Infinity;

  constructor(pool: Pool<Slot>) {
    this.pool = pool;
  }

  /** Takes over the rank of the head and returns it; undefined when the lane is empty. */
  updateRank(): PooledEntry<Slot> | undefined {
    const head = this.fairness.next;
    if (head !== undefined) {
      this.rank = Math.min(head.rank, this.maxRank);
      this.seq = head.seq;
    }
    return head;
  }
}

/** Calls that can use exactly the same resources. */
export class Pool<Slot> {
  readonly key: string;
  readonly resources: readonly ContestedResource<Slot>[];
  readonly backlog = new Backlog();
  readonly lanes: (Lane<Slot> | undefined)[] = [undefined, undefined, undefined, undefined, undefined];
  size = 0;
  /** When the next call could start, according to the last drain; 0 when a call was started. */
  opensAt = 0;
  /** Unsuccessful tries left to the current drain beyond the heads. */
  spareTries = 0;

  constructor(key: string, resources: readonly ContestedResource<Slot>[]) {
    this.key = key;
    this.resources = resources;
  }

  lane(priority: Priority): Lane<Slot> {
    return (this.lanes[priority - 1] ??= new Lane(this));
  }

  add(entry: PooledEntry<Slot>): void {
    entry.pool = this;
    this.size += 1;
    this.backlog.add(entry.bucket, entry.tokens);
    this.lane(entry.call.priority).fairness.add(entry);
  }

  remove(entry: PooledEntry<Slot>): void {
    this.size -= 1;
    this.backlog.remove(entry.bucket, entry.tokens);
    this.lane(entry.call.priority).fairness.remove(entry);
  }

  /** Whether every resource is held against calls of this rank. */
  isAllHeld(rank: number): boolean {
    for (const contested of this.resources) if (contested.heldBy < rank) return false;
    return this.resources.length > 0;
  }
}
