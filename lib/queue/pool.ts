import type { Priority } from '../call/context';
import { Backlog, type Load } from './backlog';
import type { HeapItem } from './heap';
import type { QueueCallbacks, QueuedCall, Resource, StartResult } from './queued-call';
import { TenantFairness } from './tenant-fairness';
import { density, densityBucket, MAX_TOKENS, type Ranked, rank } from './value-density';

/** A resource for which calls are waiting. */
export interface ContestedResource<Slot> {
  readonly resource: Resource;
  readonly pools: Set<Pool<Slot>>;
  /** Rank of the blocked call that holds the resource in the current drain; -Infinity if none does. */
  heldBy: number;
}

type EntryState =
  | { readonly kind: 'waiting' }
  /** `tryStart` is running. */
  | { readonly kind: 'starting' }
  /** Fails with this error unless the running `tryStart` returns a slot. */
  | { readonly kind: 'interrupted'; readonly error: Error }
  /** The call has left the queue: one of its callbacks has been called. */
  | { readonly kind: 'gone' };

const WAITING: EntryState = { kind: 'waiting' };
const STARTING: EntryState = { kind: 'starting' };
const GONE: EntryState = { kind: 'gone' };

/** One waiting call. It is its own abort listener, which saves a closure per call. */
export class Entry<Slot>
  implements HeapItem<'inFairness' | 'inEviction' | 'inLargeEviction' | 'inDeadlines'>, Ranked
{
  inFairness = -1;
  inEviction = -1;
  inLargeEviction = -1;
  inDeadlines = -1;
  readonly call: QueuedCall<Slot>;
  readonly seq: number;
  readonly rank: number;
  readonly bucket: number;
  readonly tokens: number;
  /** Latest time at which the call can start and still meet its deadline. */
  readonly latestStartAt: number;
  /** The pool in which the call waits. */
  pool: Pool<Slot> | undefined;
  readonly #callbacks: QueueCallbacks<Slot>;
  readonly #onAbort: (entry: Entry<Slot>) => void;
  #state = WAITING;
  #bodyBytes: number | undefined;

  /** @param onAbort Called when the caller aborts. */
  constructor(
    call: QueuedCall<Slot>,
    callbacks: QueueCallbacks<Slot>,
    seq: number,
    onAbort: (entry: Entry<Slot>) => void,
  ) {
    this.call = call;
    this.seq = seq;
    const value = density(call.priority, call.promptTokens, call.outputTokens);
    this.rank = rank(value, call.waitingSince ?? performance.now());
    this.bucket = densityBucket(value);
    this.tokens = Math.min(call.promptTokens + call.outputTokens, MAX_TOKENS);
    this.latestStartAt = call.deadlineAt - Math.max(0, call.serviceMs);
    this.#callbacks = callbacks;
    this.#onAbort = onAbort;
  }

  get tenant(): string {
    return this.call.tenant;
  }

  /** Estimated bytes of the body. Computed once, so that the figure stays the same if the app changes the body. */
  get bodyBytes(): number {
    return (this.#bodyBytes ??= this.call.bodyBytes ?? 0);
  }

  /** Whether the entry is in the queue. */
  get isQueued(): boolean {
    return this.inEviction >= 0;
  }

  get isGone(): boolean {
    return this.#state.kind === 'gone';
  }

  /** Tries to start the call. A call that was interrupted meanwhile and got no slot becomes 'hopeless'. */
  tryStart(isHeld: (resource: Resource) => boolean): StartResult<Slot> {
    this.#state = STARTING;
    let result: StartResult<Slot>;
    try {
      result = this.call.tryStart(isHeld);
    } catch (error) {
      result = { kind: 'hopeless', error: error instanceof Error ? error : new Error(String(error)) };
    }
    const error = this.#interruption;
    this.#state = WAITING;
    // A slot that was taken must reach the caller, even if the call was interrupted.
    return error === undefined || result.kind === 'started' ? result : { kind: 'hopeless', error };
  }

  start(slot: Slot): void {
    this.#state = GONE;
    this.#callbacks.started(slot);
  }

  /** Fails the call. During `tryStart`, the call fails only if that returns no slot. */
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
    this.#onAbort(this);
  }

  get #interruption(): Error | undefined {
    return this.#state.kind === 'interrupted' ? this.#state.error : undefined;
  }
}

/** The calls of one priority in one pool. Tenant fairness determines which call is the head. */
export class Lane<Slot> implements HeapItem<'inDrain'> {
  inDrain = -1;
  readonly pool: Pool<Slot>;
  readonly backlog = new Backlog();
  readonly fairness = new TenantFairness<Entry<Slot>>();
  /** The lane's rank in the current drain, set by `updateRank` before the lane enters the heap. */
  rank = -Infinity;
  seq = 0;
  /** Rank of the call that was blocked in the current drain: the calls behind it must not overtake it. */
  maxRank = Infinity;

  constructor(pool: Pool<Slot>) {
    this.pool = pool;
  }

  add(entry: Entry<Slot>): void {
    this.backlog.add(entry.bucket, entry.tokens);
    this.fairness.add(entry);
  }

  remove(entry: Entry<Slot>): void {
    this.backlog.remove(entry.bucket, entry.tokens);
    this.fairness.remove(entry);
  }

  /** Sets the lane's rank to that of its head and returns the head; undefined if the lane is empty. */
  updateRank(): Entry<Slot> | undefined {
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
  readonly lanes: (Lane<Slot> | undefined)[] = [undefined, undefined, undefined, undefined, undefined];
  size = 0;
  /** Time at which the next call could start, as of the last drain; 0 if that drain started a call. */
  opensAt = 0;
  /** Unsuccessful tries left in the current drain, beyond the first head of each lane. */
  spareTries = 0;
  readonly #closedMs: QueuedCall<Slot>['closedMs'];
  /** Resources on which a call may start, as of the start of the current drain. */
  #open: readonly ContestedResource<Slot>[];

  /** @param closedMs `closedMs` of any call of the pool. */
  constructor(
    key: string,
    resources: readonly ContestedResource<Slot>[],
    closedMs: QueuedCall<Slot>['closedMs'],
  ) {
    this.key = key;
    this.resources = resources;
    this.#closedMs = closedMs;
    this.#open = resources;
  }

  /** Finds the resources on which a call may start now. Returns the time at which the next closed one opens. */
  findOpen(now: number): number {
    const closedMs = this.#closedMs;
    if (closedMs === undefined) return Infinity;
    let nextMs = Infinity;
    this.#open = this.resources.filter(({ resource }) => {
      const ms = closedMs(resource, now);
      if (ms > 0) nextMs = Math.min(nextMs, ms);
      return ms <= 0;
    });
    return now + nextMs;
  }

  lane(priority: Priority): Lane<Slot> {
    return (this.lanes[priority - 1] ??= new Lane(this));
  }

  add(entry: Entry<Slot>): void {
    entry.pool = this;
    this.size += 1;
    this.lane(entry.call.priority).add(entry);
  }

  remove(entry: Entry<Slot>): void {
    this.size -= 1;
    this.lane(entry.call.priority).remove(entry);
  }

  /**
   * Tokens and requests that come before this call: those of denser and equally dense calls. In its own pool and
   * priority, they are capped at what tenant fairness lets pass before it. The call itself counts only if it is in the
   * queue.
   */
  workBefore(entry: Entry<Slot>): Load {
    const sum = { tokens: 0, requests: 0 };
    for (const [index, lane] of this.lanes.entries()) {
      if (lane === undefined) continue;
      let { tokens, requests } = lane.backlog.ahead(entry.bucket);
      if (entry.pool === this && index === entry.call.priority - 1) {
        const own = entry.isQueued ? 0 : 1;
        const turns = lane.fairness.workOfTurns(entry);
        tokens = Math.min(tokens, turns.tokens - own * entry.tokens);
        requests = Math.min(requests, turns.requests - own);
      }
      sum.tokens += tokens;
      sum.requests += requests;
    }
    return sum;
  }

  /** Whether no call of this rank can start: every resource is closed, or held by a call of at least this rank. */
  isAllHeld(rank: number): boolean {
    for (const contested of this.#open) if (contested.heldBy < rank) return false;
    return this.resources.length > 0;
  }
}
