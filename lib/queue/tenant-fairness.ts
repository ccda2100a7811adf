import type { Load } from './backlog';
import { type HeapItem, IndexedHeap } from './heap';
import { before, type Ranked } from './value-density';

/** A waiting call of one pool and one priority, to which tenant fairness applies. */
export interface TenantCall extends HeapItem<'inFairness'>, Ranked {
  readonly tenant: string;
  readonly tokens: number;
  /** Whether the call is in the queue. */
  readonly isQueued: boolean;
}

/** Most tenants without waiting calls whose counters are kept. */
const MAX_IDLE_COUNTERS = 4096;

interface TenantQueue<C extends TenantCall> extends HeapItem<'inOrder'> {
  readonly tenant: string;
  readonly calls: IndexedHeap<'inFairness', C>;
  /** The tenant's virtual token counter. */
  servedTokens: number;
  /** Tokens and requests of the tenant's waiting calls, including calls set aside. */
  readonly waiting: Load;
}

/**
 * Lets tenants take turns: the next call is the densest one of the tenant that has been served the fewest tokens. This
 * is the virtual token counter of Sheng et al., "Fairness in Serving Large Language Models" (OSDI 2024): among tenants
 * with waiting calls the counters differ by at most one call. A tenant that returns starts at the lowest counter of the
 * waiting tenants, so that idle time earns no credit.
 */
export class TenantFairness<C extends TenantCall> {
  readonly #queues = new Map<string, TenantQueue<C>>();
  readonly #order = new IndexedHeap<'inOrder', TenantQueue<C>>('inOrder', hasFewerServedTokens);
  readonly #idleCounters = new Map<string, number>();
  #sweepAt = 64;

  get tenants(): number {
    return this.#queues.size;
  }

  has(tenant: string): boolean {
    return this.#queues.has(tenant);
  }

  /**
   * Tokens and requests that are served until this call is, itself included, if all tenants get an equal share: the
   * waiting calls of its tenant, including this one, times the number of tenants. So a tenant with little waiting is
   * served soon, however much waits for other tenants.
   */
  workOfTurns(call: C): Load {
    const own = this.#queues.get(call.tenant);
    const tenants = own === undefined ? this.tenants + 1 : this.tenants;
    return {
      tokens: tenants * ((own?.waiting.tokens ?? 0) + (call.isQueued ? 0 : call.tokens)),
      requests: tenants * ((own?.waiting.requests ?? 0) + (call.isQueued ? 0 : 1)),
    };
  }

  get next(): C | undefined {
    return this.#order.first?.calls.first;
  }

  add(call: C): void {
    const queue = this.#queues.get(call.tenant) ?? this.#openQueue(call.tenant);
    queue.waiting.requests += 1;
    queue.waiting.tokens += call.tokens;
    this.#enqueue(call, queue);
  }

  remove(call: C): void {
    const queue = this.#queues.get(call.tenant);
    if (queue === undefined) return;
    queue.waiting.requests -= 1;
    queue.waiting.tokens -= call.tokens;
    this.setAside(call);
    if (queue.waiting.requests) return;
    this.#queues.delete(queue.tenant);
    if (this.#queues.size) this.#keepIdleCounter(queue);
    else this.#idleCounters.clear();
  }

  /** Skips a call for the rest of the current drain: it stays in the queue, but is no longer `next`. */
  setAside(call: C): void {
    const queue = this.#queues.get(call.tenant);
    if (!queue?.calls.remove(call)) return;
    if (queue.calls.size) this.#order.update(queue);
    else this.#order.remove(queue);
  }

  /** Puts back a call that was set aside. */
  putBack(call: C): void {
    const queue = this.#queues.get(call.tenant);
    if (queue !== undefined) this.#enqueue(call, queue);
  }

  /** Counts a started call for its tenant: prompt tokens once, output tokens twice. */
  addServedTokens(tenant: string, promptTokens: number, outputTokens: number): void {
    const queue = this.#queues.get(tenant);
    if (queue === undefined) return;
    queue.servedTokens += Math.max(1, promptTokens + 2 * outputTokens);
    if (this.#order.has(queue)) this.#order.update(queue);
  }

  #enqueue(call: C, queue: TenantQueue<C>): void {
    queue.calls.add(call);
    if (this.#order.has(queue)) this.#order.update(queue);
    else this.#order.add(queue);
  }

  #openQueue(tenant: string): TenantQueue<C> {
    const least = this.#order.first?.servedTokens ?? 0;
    const served = Math.max(this.#idleCounters.get(tenant) ?? 0, least);
    this.#idleCounters.delete(tenant);
    const queue: TenantQueue<C> = {
      tenant,
      servedTokens: served,
      waiting: { tokens: 0, requests: 0 },
      inOrder: -1,
      calls: new IndexedHeap<'inFairness', C>('inFairness', before),
    };
    this.#queues.set(tenant, queue);
    return queue;
  }

  /**
   * Keeps the counter of a tenant without waiting calls, unless it is at or below the lowest: a returning tenant starts
   * at the lowest anyway.
   */
  #keepIdleCounter({ tenant, servedTokens }: TenantQueue<C>): void {
    const least = this.#order.first?.servedTokens ?? 0;
    if (servedTokens <= least) return;
    this.#idleCounters.set(tenant, servedTokens);
    if (this.#idleCounters.size < this.#sweepAt) return;
    for (const [name, counter] of this.#idleCounters) if (counter <= least) this.#idleCounters.delete(name);
    for (const name of this.#idleCounters.keys()) {
      if (this.#idleCounters.size <= MAX_IDLE_COUNTERS * 0.75) break;
      this.#idleCounters.delete(name);
    }
    this.#sweepAt = Math.min(MAX_IDLE_COUNTERS, Math.max(64, 2 * this.#idleCounters.size));
  }
}

function hasFewerServedTokens<C extends TenantCall>(a: TenantQueue<C>, b: TenantQueue<C>): boolean {
  if (a.servedTokens !== b.servedTokens) return a.servedTokens < b.servedTokens;
  return before(a.calls.first as C, b.calls.first as C);
}
