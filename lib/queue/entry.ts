import type { HeapItem } from './heap';
import type { QueuedCall, QueueEnds } from './queued-call';
import { density, densityBucket, MOST_TOKENS, type Ranked, rank } from './value-density';

/** Told when an entry's caller leaves. */
export interface EntryOwner<Slot> {
  left(entry: Entry<Slot>): void;
}

/** One waiting call. It is its own abort listener, which saves a closure for each. */
export class Entry<Slot> implements HeapItem<'inTurn' | 'inCrowd' | 'inDeadlines'>, Ranked {
  inTurn = -1;
  inCrowd = -1;
  inDeadlines = -1;
  readonly call: QueuedCall<Slot>;
  readonly seq: number;
  readonly rank: number;
  readonly bucket: number;
  readonly tokens: number;
  /** When the call must start at the latest. */
  readonly lastStartAt: number;
  readonly ends: QueueEnds<Slot>;
  readonly #owner: EntryOwner<Slot>;
  state: 'waiting' | 'starting' | 'gone' = 'waiting';
  /** Why it must leave, when that became known in the middle of its own start. */
  leaveWith: Error | undefined;

  constructor(call: QueuedCall<Slot>, ends: QueueEnds<Slot>, seq: number, owner: EntryOwner<Slot>) {
    this.call = call;
    this.seq = seq;
    const value = density(call.priority, call.promptTokens, call.outputTokens);
    this.rank = rank(value, call.since ?? performance.now());
    this.bucket = densityBucket(value);
    this.tokens = Math.min(call.promptTokens + call.outputTokens, MOST_TOKENS);
    this.lastStartAt = call.deadlineAt - Math.max(0, call.serviceMs);
    this.ends = ends;
    this.#owner = owner;
  }

  get isLeaving(): boolean {
    return this.leaveWith !== undefined;
  }

  get tenant(): string {
    return this.call.tenant;
  }

  handleEvent(): void {
    this.#owner.left(this);
  }
}
