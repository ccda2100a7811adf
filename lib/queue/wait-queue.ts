import type { Priority } from '../call/context';
import type { AiBalancerError } from '../errors';
import { startTimer, type Timer } from '../util/timers';
import { Drain } from './drain';
import { queueAbortedError, queueDeadlineError, saturatedError } from './errors';
import { EvictionPolicy } from './eviction';
import { IndexedHeap } from './heap';
import type { QueueOptions } from './options';
import { PooledEntry } from './pool';
import { Pools } from './pools';
import type { QueueCallbacks, QueuedCall, Resource } from './queued-call';
import { rank } from './value-density';

export type { QueueCallbacks as QueueEnds, QueuedCall, Resource, StartResult } from './queued-call';
export { density } from './value-density';

/** Drains are at least so many milliseconds apart. */
const DRAIN_GAP_MS = 20;
/** A drain comes at least so often while calls wait, in milliseconds, should nobody tell of a change. */
const HEARTBEAT_MS = 1000;
const ONCE = { once: true } as const;
/** The ends of a call that only asks. */
const NO_CALLBACKS: QueueCallbacks<unknown> = { started: () => undefined, failed: () => undefined };

export interface WaitQueueOptions<Slot> extends QueueOptions {
  /** Told of every call refused with ERR_AI_SATURATED. Must not throw. */
  onShed?(call: QueuedCall<Slot>, error: AiBalancerError): void;
}

/**
 * The calls that found no room, in the order in which they may start: value density, tenants taking turns within a
 * priority, first come first served among equals. It knows nothing of endpoints; it asks each call to start. One
 * timer, which keeps the process alive while calls wait; no timer and no listener when none does.
 */
export class WaitQueue<Slot> {
  readonly #options: WaitQueueOptions<Slot>;
  readonly #pools = new Pools<Slot>();
  readonly #evictionPolicy = new EvictionPolicy<Slot>();
  readonly #deadlines = new IndexedHeap<'inDeadlines', PooledEntry<Slot>>(
    'inDeadlines',
    (a, b) => a.latestStartAt < b.latestStartAt,
  );
  readonly #drain: Drain<Slot>;
  #timer: Timer | undefined;
  #timerAt = Infinity;
  #drainedAt = -Infinity;
  #isDrainDue = false;
  #arrivals = 0;

  constructor(options: WaitQueueOptions<Slot>) {
    this.#options = options;
    this.#drain = new Drain(this.#pools, {
      started: (entry, slot) => this.#start(entry, slot),
      failed: (entry, error = queueAbortedError()) => this.#fail(entry, error),
      tooLate: (entry, waitMs) => this.#shed(entry, 'No quota before the deadline', waitMs),
    });
  }

  get size(): number {
    return this.#evictionPolicy.size;
  }

  byPriority(): Record<Priority, number> {
    const waiting = (priority: Priority) => this.#evictionPolicy.sizeOf(priority);
    return { 1: waiting(1), 2: waiting(2), 3: waiting(3), 4: waiting(4), 5: waiting(5) };
  }

  /** Joins the queue. A call that can't wait is told at once. */
  enqueue(call: QueuedCall<Slot>, callbacks: QueueCallbacks<Slot>): void {
    this.#arrivals += 1;
    this.#admit(new PooledEntry<Slot>(call, callbacks, this.#arrivals, this.#owner));
  }

  /** Joins the queue; resolves with the slot, or rejects as {@link QueueCallbacks} tells. */
  waitForSlot(call: QueuedCall<Slot>): Promise<Slot> {
    return new Promise((started, failed) => this.enqueue(call, { started, failed }));
  }

  /**
   * Whether a new call of this density must wait although the resource has room, because a queued one comes first.
   * With `turn` it also waits behind calls of its priority of other tenants, whose turn it may be. O(pools).
   */
  mustWait(density: number, resource: Resource, fairness?: { priority: Priority; tenant: string }): boolean {
    return this.#pools.comesBefore(rank(density, performance.now()), resource, fairness);
  }

  /** How long the backlog would keep such a call from starting, in milliseconds; 0 when nothing is ahead. */
  predictWaitMs(call: QueuedCall<Slot>): number {
    const entry = new PooledEntry<Slot>(call, NO_CALLBACKS, 0, this.#owner);
    entry.pool = this.#pools.getOrCreate(call.poolKey, call.resources);
    const wait = this.#estimateWaitMs(entry, performance.now(), false);
    if (!this.size) this.#pools.sweep();
    return wait;
  }

  /**
   * The error with which `enter()` would refuse such a call at once; undefined when it could wait or start. Should the
   * queue be full, whether this call or another would leave is the crowd's rule.
   */
  shedError(call: QueuedCall<Slot>): AiBalancerError | undefined {
    if (!this.size) return undefined;
    const entry = new PooledEntry<Slot>(call, NO_CALLBACKS, Infinity, this.#owner);
    entry.pool = this.#pools.getOrCreate(call.poolKey, call.resources);
    const now = performance.now();
    if (now + this.#estimateWaitMs(entry, now, false) > entry.latestStartAt) {
      return saturatedError(
        'The calls ahead leave no quota before the deadline',
        this.#estimateWaitMs(entry, now, true),
      );
    }
    if (this.size < this.#options.maxSize) return undefined;
    this.#evictionPolicy.add(entry);
    const isVictim = this.#evictionPolicy.victim === entry;
    this.#evictionPolicy.remove(entry);
    const full = `The wait queue is full (${this.#options.maxSize} calls)`;
    return isVictim ? saturatedError(full, this.#estimateWaitMs(entry, now, true)) : undefined;
  }

  /** Something changed: a completion, a refill, a breaker. Drains soon, at most every 20 ms. */
  wake(): void {
    if (this.#isDrainDue || !this.size) return;
    const dueAt = this.#drainedAt + DRAIN_GAP_MS;
    if (performance.now() < dueAt) {
      this.#schedule(dueAt);
      return;
    }
    this.#isDrainDue = true;
    // In a microtask: many changes of one tick make one drain, and no caller finds its own stack under it.
    void Promise.resolve().then(() => this.#runDrain());
  }

  /** Rejects everything that waits. */
  rejectAll(error: Error): void {
    for (let entry = this.#evictionPolicy.victim; entry !== undefined; entry = this.#evictionPolicy.victim)
      this.#fail(entry, error);
  }

  readonly #owner = {
    aborted: (entry: PooledEntry<Slot>): void => this.#fail(entry, queueAbortedError()),
  };

  #admit(entry: PooledEntry<Slot>): void {
    const { call } = entry;
    const now = performance.now();
    if (call.signal?.aborted) {
      entry.callbacks.failed(queueAbortedError());
      return;
    }
    if (call.deadlineAt <= now) {
      entry.callbacks.failed(queueDeadlineError());
      return;
    }
    entry.pool = this.#pools.getOrCreate(call.poolKey, call.resources);
    if (
      entry.latestStartAt < Infinity &&
      now + this.#estimateWaitMs(entry, now, false) > entry.latestStartAt
    ) {
      this.#shed(entry, 'The calls ahead leave no quota before the deadline');
      if (!this.size) this.#pools.sweep();
      return;
    }
    this.#add(entry);
    this.#evictOverflow();
    this.wake();
  }

  /** A denser call displaces another: whom, is the crowd's rule. */
  #evictOverflow(): void {
    while (this.#evictionPolicy.size > this.#options.maxSize) {
      const victim = this.#evictionPolicy.victim;
      if (victim === undefined) return;
      this.#shed(victim, `The wait queue is full (${this.#options.maxSize} calls)`);
    }
  }

  #add(entry: PooledEntry<Slot>): void {
    entry.pool?.add(entry);
    this.#evictionPolicy.add(entry);
    if (entry.latestStartAt < Infinity) this.#deadlines.add(entry);
    entry.call.signal?.addEventListener('abort', entry, ONCE);
  }

  #remove(entry: PooledEntry<Slot>): void {
    if (!this.#evictionPolicy.has(entry)) return;
    entry.pool?.remove(entry);
    this.#evictionPolicy.remove(entry);
    this.#deadlines.remove(entry);
    entry.call.signal?.removeEventListener('abort', entry);
    if (this.size) return;
    this.#pools.sweep();
    this.#clearTimer();
  }

  #start(entry: PooledEntry<Slot>, slot: Slot): void {
    const { tenant, priority, promptTokens, outputTokens } = entry.call;
    entry.pool?.lane(priority).fairness.addServedTokens(tenant, promptTokens, outputTokens);
    entry.state = 'gone';
    this.#remove(entry);
    entry.callbacks.started(slot);
  }

  #fail(entry: PooledEntry<Slot>, error: Error): void {
    if (entry.state === 'gone') return;
    this.#remove(entry);
    if (entry.state === 'starting') {
      // It may have taken its slot already: if it has, the slot must reach the caller.
      entry.removalError ??= error;
      return;
    }
    entry.state = 'gone';
    entry.callbacks.failed(entry.removalError ?? error);
  }

  #shed(entry: PooledEntry<Slot>, why: string, waitMs = 0): void {
    const now = performance.now();
    const isWaiting = this.#evictionPolicy.has(entry);
    const { opensAt = 0 } = entry.pool ?? {};
    const opensIn = opensAt < Infinity ? opensAt - now : 0;
    const error = saturatedError(
      why,
      Math.max(waitMs, opensIn, this.#estimateWaitMs(entry, now, !isWaiting)),
    );
    if (isWaiting) this.#fail(entry, error);
    else entry.callbacks.failed(error);
    this.#options.onShed?.(entry.call, error);
  }

  /** What waits ahead of it, over the refill. An entry in the queue is itself part of the backlog. */
  #estimateWaitMs(entry: PooledEntry<Slot>, now: number, withOwn: boolean): number {
    if (entry.pool === undefined) return 0;
    const own = withOwn ? { tokens: entry.tokens, requests: 1 } : { tokens: 0, requests: 0 };
    return this.#pools.waitEstimator.waitMs(entry.pool, entry.bucket, own, now);
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

  /** Turns away those for which it has become too late. */
  #expire(now: number): void {
    for (let first = this.#deadlines.first; first !== undefined; first = this.#deadlines.first) {
      if (first.latestStartAt >= now) return;
      if (first.call.deadlineAt <= now) this.#fail(first, queueDeadlineError());
      else this.#shed(first, 'No quota came free before the deadline');
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
