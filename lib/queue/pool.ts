import type { Priority } from '../call/context';
import { Backlog } from './backlog';
import { Entry } from './entry';
import type { HeapItem } from './heap';
import type { Resource } from './queued-call';
import { TenantFairness } from './tenant-fairness';

/** What the queue knows of one resource while calls that can use it wait. */
export interface ContestedResource<Slot> {
  readonly resource: Resource;
  readonly pools: Set<Pool<Slot>>;
  /** The rank of the blocked call that holds it in this drain; -Infinity when it is free. */
  heldBy: number;
}

/** A waiting call with the pool it waits in. */
export class PooledEntry<Slot> extends Entry<Slot> {
  pool: Pool<Slot> | undefined;
}

/** The calls of one priority in one pool. Its head is the call whose tenant's turn it is. */
export class Lane<Slot> implements HeapItem<'inDrain'> {
  inDrain = -1;
  readonly pool: Pool<Slot>;
  readonly fairness = new TenantFairness<PooledEntry<Slot>>();
  /** The rank in the drain that is running, noted when the lane was last placed. */
  rank = -Infinity;
  seq = 0;
  /** In this drain, the rank of its blocked call: those behind it in turn go no earlier than it does. */
  maxRank = Infinity;

  constructor(pool: Pool<Slot>) {
    this.pool = pool;
  }

  /** Takes the rank of its head; undefined when none is left. */
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
  /** Until when the last drain found that none of its calls could start; 0 when one did. */
  opensAt = 0;
  /** Fruitless tries that the running drain may still make beyond the heads. */
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

  /** Whether calls of this rank or a lower one can start nowhere, because each resource is held against them. */
  isAllHeld(rank: number): boolean {
    for (const contested of this.resources) if (contested.heldBy < rank) return false;
    return this.resources.length > 0;
  }
}
