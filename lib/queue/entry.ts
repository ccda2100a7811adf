import type { HeapItem } from './heap';
import type { QueueCallbacks, QueuedCall } from './queued-call';
import { density, densityBucket, MAX_TOKENS, type Ranked, rank } from './value-density';

/** Notified when an entry's caller aborts. */
export interface EntryOwner<Slot> {
  aborted(entry: Entry<Slot>): void;
}

/** One waiting call. It is its own abort listener, which saves a closure per call. */
export class Entry<Slot> implements HeapItem<'inFairness' | 'inEviction' | 'inDeadlines'>, Ranked {
  inFairness = -1;
  inEviction = -1;
  inDeadlines = -1;
  readonly call: QueuedCall<Slot>;
  readonly seq: number;
  readonly rank: number;
  readonly bucket: number;
  readonly tokens: number;
  /** The latest time at which the call can start and still meet its deadline. */
  readonly latestStartAt: number;
  readonly callbacks: QueueCallbacks<Slot>;
  readonly #owner: EntryOwner<Slot>;
  state: 'waiting' | 'starting' | 'gone' = 'waiting';
  /** Set when the call has to be removed while it is trying to start. */
  removalError: Error | undefined;

  constructor(call: QueuedCall<Slot>, callbacks: QueueCallbacks<Slot>, seq: number, owner: EntryOwner<Slot>) {
    this.call = call;
    this.seq = seq;
    const value = density(call.priority, call.promptTokens, call.outputTokens);
    this.rank = rank(value, call.waitingSince ?? performance.now());
    this.bucket = densityBucket(value);
    this.tokens = Math.min(call.promptTokens + call.outputTokens, MAX_TOKENS);
    this.latestStartAt = call.deadlineAt - Math.max(0, call.serviceMs);
    this.callbacks = callbacks;
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
