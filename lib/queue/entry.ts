import type { HeapItem } from './heap';
import type { QueueCallbacks, QueuedCall } from './queued-call';
import { density, densityBucket, MAX_TOKENS, type Ranked, rank } from './value-density';

/** Told when an entry's caller leaves. */
export interface EntryOwner<Slot> {
  aborted(entry: Entry<Slot>): void;
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
  readonly latestStartAt: number;
  readonly callbacks: QueueCallbacks<Slot>;
  readonly #owner: EntryOwner<Slot>;
  state: 'waiting' | 'starting' | 'gone' = 'waiting';
  /** Why it must leave, when that became known in the middle of its own start. */
  removalError: Error | undefined;

  constructor(call: QueuedCall<Slot>, ends: QueueCallbacks<Slot>, seq: number, owner: EntryOwner<Slot>) {
    this.call = call;
    this.seq = seq;
    const value = density(call.priority, call.promptTokens, call.outputTokens);
    this.rank = rank(value, call.waitingSince ?? performance.now());
    this.bucket = densityBucket(value);
    this.tokens = Math.min(call.promptTokens + call.outputTokens, MAX_TOKENS);
    this.latestStartAt = call.deadlineAt - Math.max(0, call.serviceMs);
    this.callbacks = ends;
    this.#owner = owner;
  }

  get hasRemovalError(): boolean {
    return this.removalError !== undefined;
  }

  get tenant(): string {
    return this.call.tenant;
  }

  handleEvent(): void {
    this.#owner.aborted(this);
  }
}
