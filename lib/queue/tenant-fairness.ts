import { type HeapItem, IndexedHeap } from './heap';
import { before, type Ranked } from './value-density';

/** What the turns of tenants order: calls of one pool and one priority. */
export interface TenantCall extends HeapItem<'inTurn'>, Ranked {
  readonly tenant: string;
}

/** Tenants without waiting calls whose counters are remembered, at most. */
const MAX_IDLE_COUNTERS = 4096;

interface TenantQueue<C extends TenantCall> extends HeapItem<'inOrder'> {
  readonly tenant: string;
  readonly calls: IndexedHeap<'inTurn', C>;
  /** The token counter. */
  servedTokens: number;
  /** Calls that wait, those set aside too. */
  waitingCount: number;
}

/**
 * Tenants take turns: the one that was served the fewest tokens offers its densest call. The virtual token counter of
 * Sheng et al., "Fairness in Serving Large Language Models" (OSDI 2024): among tenants that keep calls waiting the
 * counters differ by at most one call; one that returns starts at the least counter of those waiting, so that idling
 * saves up nothing.
 */
export class TenantFairness<C extends TenantCall> {
  readonly #queues = new Map<string, TenantQueue<C>>();
  readonly #order = new IndexedHeap<'inOrder', TenantQueue<C>>('inOrder', hasFewerServedTokens);
  readonly #idleCounters = new Map<string, number>();
  #sweepAt = 64;

  /** Tenants with calls waiting. */
  get tenants(): number {
    return this.#queues.size;
  }

  has(tenant: string): boolean {
    return this.#queues.has(tenant);
  }

  /** The call whose turn it is. */
  get next(): C | undefined {
    return this.#order.first?.calls.first;
  }

  add(call: C): void {
    const line = this.#queues.get(call.tenant) ?? this.#openQueue(call.tenant);
    line.waitingCount += 1;
    this.#enqueue(call, line);
  }

  /** The call is gone for good. */
  remove(call: C): void {
    const line = this.#queues.get(call.tenant);
    if (line === undefined) return;
    line.waitingCount -= 1;
    this.setAside(call);
    if (line.waitingCount) return;
    this.#queues.delete(line.tenant);
    if (this.#queues.size) this.#keepIdleCounter(line);
    else this.#idleCounters.clear();
  }

  /** Passes over a call for a moment: it still waits, but it isn't next. */
  setAside(call: C): void {
    const line = this.#queues.get(call.tenant);
    if (!line?.calls.remove(call)) return;
    if (line.calls.size) this.#order.update(line);
    else this.#order.remove(line);
  }

  /** Returns a call that was set aside. */
  putBack(call: C): void {
    const line = this.#queues.get(call.tenant);
    if (line !== undefined) this.#enqueue(call, line);
  }

  /** Counts what a waiting call of the tenant takes: a token of the prompt once, one of the output twice. */
  addServedTokens(tenant: string, promptTokens: number, outputTokens: number): void {
    const line = this.#queues.get(tenant);
    if (line === undefined) return;
    line.servedTokens += Math.max(1, promptTokens + 2 * outputTokens);
    if (this.#order.has(line)) this.#order.update(line);
  }

  #enqueue(call: C, line: TenantQueue<C>): void {
    line.calls.add(call);
    if (this.#order.has(line)) this.#order.update(line);
    else this.#order.add(line);
  }

  #openQueue(tenant: string): TenantQueue<C> {
    const least = this.#order.first?.servedTokens ?? 0;
    const served = Math.max(this.#idleCounters.get(tenant) ?? 0, least);
    this.#idleCounters.delete(tenant);
    const line: TenantQueue<C> = {
      tenant,
      servedTokens: served,
      waitingCount: 0,
      inOrder: -1,
      calls: new IndexedHeap<'inTurn', C>('inTurn', before),
    };
    this.#queues.set(tenant, line);
    return line;
  }

  /** A counter at or below the least need not be kept: the tenant would start at the least anyway. */
  #keepIdleCounter({ tenant, servedTokens: served }: TenantQueue<C>): void {
    const least = this.#order.first?.servedTokens ?? 0;
    if (served <= least) return;
    this.#idleCounters.set(tenant, served);
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
