import type { HeapItem } from './heap';
import type { QueueCallbacks, QueuedCall, Resource, StartResult } from './queued-call';
import { density, densityBucket, MAX_TOKENS, type Ranked, rank } from './value-density';

/** Notified when an entry's caller aborts. */
export interface EntryOwner<Slot> {
  aborted(entry: Entry<Slot>): void;
}

type EntryState =
  | { readonly kind: 'waiting' }
  /** Inside `tryStart`. */
  | { readonly kind: 'starting' }
  /** Must be removed with this error, unless the running `tryStart` yields a slot. */
  | { readonly kind: 'interrupted'; readonly error: Error }
  /** Its callback has been called. */
  | { readonly kind: 'gone' };

const WAITING: EntryState = { kind: 'waiting' };
const STARTING: EntryState = { kind: 'starting' };
const GONE: EntryState = { kind: 'gone' };

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
  readonly #callbacks: QueueCallbacks<Slot>;
  readonly #owner: EntryOwner<Slot>;
  #state = WAITING;

  constructor(call: QueuedCall<Slot>, callbacks: QueueCallbacks<Slot>, seq: number, owner: EntryOwner<Slot>) {
    this.call = call;
    this.seq = seq;
    const value = density(call.priority, call.promptTokens, call.outputTokens);
    this.rank = rank(value, call.waitingSince ?? performance.now());
    this.bucket = densityBucket(value);
    this.tokens = Math.min(call.promptTokens + call.outputTokens, MAX_TOKENS);
    this.latestStartAt = call.deadlineAt - Math.max(0, call.serviceMs);
    this.#callbacks = callbacks;
    this.#owner = owner;
  }

  get tenant(): string {
    return this.call.tenant;
  }

  get isGone(): boolean {
    return this.#state.kind === 'gone';
  }

  /** Asks the call to start. A call that was interrupted meanwhile and got no slot is hopeless. */
  tryStart(isHeld: (resource: Resource) => boolean): StartResult<Slot> {
    this.#state = STARTING;
    const result = tryStart(this.call, isHeld);
    const error = this.#interruption();
    this.#state = WAITING;
    // The slot is taken, so it must reach the caller.
    return error === undefined || result.kind === 'started' ? result : { kind: 'hopeless', error };
  }

  start(slot: Slot): void {
    this.#state = GONE;
    this.#callbacks.started(slot);
  }

  /** Fails the call; while it tries to start, only once that has failed. */
  fail(error: Error): void {
    const { kind } = this.#state;
    if (kind === 'starting') {
      this.#state = { kind: 'interrupted', error };
    } else if (kind === 'waiting') {
      this.#state = GONE;
      this.#callbacks.failed(error);
    }
  }

  handleEvent(): void {
    this.#owner.aborted(this);
  }

  #interruption(): Error | undefined {
    return this.#state.kind === 'interrupted' ? this.#state.error : undefined;
  }
}

function tryStart<Slot>(call: QueuedCall<Slot>, isHeld: (resource: Resource) => boolean): StartResult<Slot> {
  try {
    return call.tryStart(isHeld);
  } catch (error) {
    return { kind: 'hopeless', error: error instanceof Error ? error : new Error(String(error)) };
  }
}
