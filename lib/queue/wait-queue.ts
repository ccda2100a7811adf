import type { Priority } from '../call/context';
import type { AiBalancerError } from '../errors';
import { startTimer, type Timer } from '../util/timers';
import { Drain } from './drain';
import { queueAbortedError, queueDeadlineError, saturatedError } from './errors';
import { IndexedHeap } from './heap';
import { Entry } from './pool';
import { Pools } from './pools';
import { QueueLimits, type QueueOptions } from './queue-limits';
import type { QueueCallbacks, QueuedCall, Resource } from './queued-call';
import { rank } from './value-density';

export type { QueueOptions } from './queue-limits';
export type { QueueCallbacks, QueuedCall, Resource, StartResult } from './queued-call';
export { density } from './value-density';

/** Minimum time between two drains, in milliseconds. */
const DRAIN_GAP_MS = 20;
/** Maximum time between two drains while calls wait, in milliseconds, in case no event wakes the queue. */
const HEARTBEAT_MS = 1000;
const TOO_MANY_AHEAD = 'the calls ahead leave no quota before the deadline';
const ONCE = { once: true } as const;
/** For an entry that never enters the queue: only its wait is estimated. */
const NO_CALLBACKS: QueueCallbacks<unknown> = { started: () => undefined, failed: () => undefined };

/** A change of the queue that is reported to `onChange`. */
export type QueueChange =
  /** The queue has grown to 1, 10, 100, ... calls since it was last empty. */
  | { readonly change: 'growing'; readonly size: number }
  | {
      readonly change: 'shed';
      readonly size: number;
      readonly priority: Priority;
      readonly tenant?: string;
      readonly retryAfterMs?: number;
    };

export interface WaitQueueOptions extends QueueOptions {
  onChange?(change: QueueChange): void;
}

const GROWTH_FACTOR = 10;

/**
 * The calls that wait for capacity, in the order in which they may start: by value density, increased by waiting time,
 * with tenant fairness within a priority. The queue knows nothing about endpoints; it asks each call to start. It has
 * one timer, which keeps the process alive while calls wait, and no timer or listener when none waits.
 */
export class WaitQueue<Slot> {
  readonly #options: WaitQueueOptions;
  /** Next size that is reported as growth; reset to 1 when the queue is empty. */
  #nextGrowth = 1;
  readonly #pools = new Pools<Slot>();
  readonly #limits: QueueLimits<Slot>;
  readonly #deadlines = new IndexedHeap<'inDeadlines', Entry<Slot>>(
    'inDeadlines',
    (a, b) => a.latestStartAt < b.latestStartAt,
  );
  readonly #drain: Drain<Slot>;
  #timer: Timer | undefined;
  #timerAt = Infinity;
  #drainedAt = -Infinity;
  #isDrainDue = false;
  #arrivals = 0;

  constructor(options: WaitQueueOptions) {
    this.#options = options;
    this.#limits = new QueueLimits(options);
    this.#drain = new Drain(this.#pools, {
      started: (entry, slot) => this.#start(entry, slot),
      failed: (entry, error) => this.#fail(entry, error),
      tooLate: (entry, waitMs) => this.#shed(entry, 'no quota before the deadline', waitMs),
    });
  }

  get size(): number {
    return this.#limits.size;
  }

  byPriority(): Record<Priority, number> {
    const waiting = (priority: Priority) => this.#limits.sizeOf(priority);
    return { 1: waiting(1), 2: waiting(2), 3: waiting(3), 4: waiting(4), 5: waiting(5) };
  }

  /** Adds a call to the queue. A call that cannot be served in time fails at once. */
  enqueue(call: QueuedCall<Slot>, callbacks: QueueCallbacks<Slot>): void {
    this.#arrivals += 1;
    const entry = new Entry<Slot>(call, callbacks, this.#arrivals, this.#onAbort);
    const now = performance.now();
    if (call.signal?.aborted) {
      entry.fail(queueAbortedError());
      return;
    }
    if (call.deadlineAt <= now) {
      entry.fail(queueDeadlineError());
      return;
    }
    entry.pool = this.#pools.getOrCreate(call);
    if (entry.latestStartAt < Infinity && this.#isTooLate(entry, now)) {
      this.#refuse(entry, TOO_MANY_AHEAD);
      return;
    }
    // A reload may have lowered the limits below what is already waiting.
    this.#evictOverflow();
    const reason = this.#limits.reasonToRefuse(entry);
    if (reason !== undefined) {
      this.#refuse(entry, reason);
      return;
    }
    this.#add(entry);
    this.#evictOverflow();
    this.wake();
  }

  /** Adds a call to the queue. Resolves to its slot, or rejects with the errors of {@link QueueCallbacks}. */
  waitForSlot(call: QueuedCall<Slot>): Promise<Slot> {
    return new Promise((started, failed) => this.enqueue(call, { started, failed }));
  }

  /**
   * Whether a new call of this density must wait although the resource has capacity, because a queued call comes first.
   * With `fairness` it also waits behind calls of the same priority from other tenants. O(pools).
   */
  mustWait(density: number, resource: Resource, fairness?: { priority: Priority; tenant: string }): boolean {
    return this.#pools.comesBefore(rank(density, performance.now()), resource, fairness);
  }

  /** Whether any call waits that could use the resource. O(pools). */
  isWaitedFor(resource: Resource): boolean {
    return this.#pools.isWaitedFor(resource);
  }

  /**
   * The error with which this call would be shed at once; undefined if it could wait or start. When the queue is full,
   * the eviction policy decides whether this call or another one would be shed.
   */
  shedError(call: QueuedCall<Slot>): AiBalancerError | undefined {
    if (!this.size) return undefined;
    const entry = new Entry<Slot>(call, NO_CALLBACKS, Infinity, this.#onAbort);
    entry.pool = this.#pools.getOrCreate(call);
    const now = performance.now();
    if (this.#isTooLate(entry, now))
      return saturatedError(TOO_MANY_AHEAD, this.#estimateWaitMs(entry, now, true));
    const reason = this.#limits.reasonToRefuse(entry);
    return reason === undefined ? undefined : saturatedError(reason, this.#estimateWaitMs(entry, now, true));
  }

  /** Call when capacity may have changed (completion, refill, breaker). Drains soon, at most every 20 ms. */
  wake(): void {
    if (this.#isDrainDue || !this.size) return;
    const dueAt = this.#drainedAt + DRAIN_GAP_MS;
    if (performance.now() < dueAt) {
      this.#schedule(dueAt);
      return;
    }
    this.#isDrainDue = true;
    // In a microtask, so that all changes of one tick cause one drain, and it does not run inside the caller.
    void Promise.resolve().then(() => this.#runDrain());
  }

  rejectAll(error: Error): void {
    for (let entry = this.#limits.victim; entry !== undefined; entry = this.#limits.victim)
      this.#fail(entry, error);
  }

  readonly #onAbort = (entry: Entry<Slot>): void => this.#fail(entry, queueAbortedError());

  #isTooLate(entry: Entry<Slot>, now: number): boolean {
    return now + this.#estimateWaitMs(entry, now, false) > entry.latestStartAt;
  }

  /** Sheds a call that has not entered the queue. */
  #refuse(entry: Entry<Slot>, reason: string): void {
    this.#shed(entry, reason);
    if (!this.size) this.#pools.sweep();
  }

  /** Sheds calls until the queue is within its limits. */
  #evictOverflow(): void {
    for (let next = this.#limits.overflow; next !== undefined; next = this.#limits.overflow)
      this.#shed(next.entry, next.reason);
  }

  #add(entry: Entry<Slot>): void {
    entry.pool?.add(entry);
    this.#limits.add(entry);
    if (entry.latestStartAt < Infinity) this.#deadlines.add(entry);
    this.#reportGrowth();
    entry.call.signal?.addEventListener('abort', entry, ONCE);
  }

  #remove(entry: Entry<Slot>): void {
    if (!this.#limits.has(entry)) return;
    entry.pool?.remove(entry);
    this.#limits.remove(entry);
    this.#deadlines.remove(entry);
    entry.call.signal?.removeEventListener('abort', entry);
    if (this.size) return;
    this.#nextGrowth = 1;
    this.#pools.sweep();
    this.#clearTimer();
  }

  #start(entry: Entry<Slot>, slot: Slot): void {
    const { tenant, priority, promptTokens, outputTokens } = entry.call;
    entry.pool?.lane(priority).fairness.addServedTokens(tenant, promptTokens, outputTokens);
    this.#remove(entry);
    entry.start(slot);
  }

  #fail(entry: Entry<Slot>, error: Error): void {
    this.#remove(entry);
    entry.fail(error);
  }

  #shed(entry: Entry<Slot>, reason: string, waitMs = 0): void {
    const now = performance.now();
    const isWaiting = this.#limits.has(entry);
    const { opensAt = 0 } = entry.pool ?? {};
    const opensIn = opensAt < Infinity ? opensAt - now : 0;
    const leastMs = Math.max(waitMs, opensIn, this.#estimateWaitMs(entry, now, !isWaiting));
    const error = saturatedError(reason, leastMs);
    this.#fail(entry, error);
    const { priority, tenant } = entry.call;
    const { retryAfterMs } = error;
    this.#options.onChange?.({
      change: 'shed',
      size: this.size,
      priority,
      ...(tenant === '' ? {} : { tenant }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }

  #reportGrowth(): void {
    const { size } = this;
    if (size < this.#nextGrowth) return;
    this.#nextGrowth *= GROWTH_FACTOR;
    this.#options.onChange?.({ change: 'growing', size });
  }

  /**
   * Estimated wait of a call: the work ahead divided by the refill rate.
   * @param withOwn Whether to add the entry's own work. It is already part of the backlog if the entry is in the queue.
   */
  #estimateWaitMs(entry: Entry<Slot>, now: number, withOwn: boolean): number {
    if (entry.pool === undefined) return 0;
    const own = withOwn ? { tokens: entry.tokens, requests: 1 } : { tokens: 0, requests: 0 };
    return this.#pools.waitEstimator.waitMs(entry.pool, entry, own, now);
  }

  #runDrain(): void {
    this.#isDrainDue = false;
    if (!this.size) return;
    const now = performance.now();
    this.#drainedAt = now;
    this.#expire(now);
    const nextAt = this.#drain.run(now);
    this.#pools.sweep();
    if (!this.size) return;
    const expiresAt = this.#deadlines.first?.latestStartAt ?? Infinity;
    this.#schedule(Math.max(now + DRAIN_GAP_MS, Math.min(nextAt, expiresAt, now + HEARTBEAT_MS)));
  }

  /** Sheds calls that can no longer start in time. */
  #expire(now: number): void {
    for (let first = this.#deadlines.first; first !== undefined; first = this.#deadlines.first) {
      if (first.latestStartAt >= now) return;
      if (first.call.deadlineAt <= now) this.#fail(first, queueDeadlineError());
      else this.#shed(first, 'no quota became free before the deadline');
    }
  }

  #schedule(at: number): void {
    if (this.#timer !== undefined && this.#timerAt <= at) return;
    this.#clearTimer();
    this.#timerAt = at;
    this.#timer = startTimer(
      () => {
        this.#clearTimer();
        this.#runDrain();
      },
      Math.max(1, Math.ceil(at - performance.now())),
    );
  }

  #clearTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerAt = Infinity;
  }
}
