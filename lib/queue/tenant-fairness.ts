import { type HeapItem, IndexedHeap } from './heap';
import { before, type Ranked } from './value-density';

/** What the turns of tenants order: calls of one pool and one priority. */
export interface TurnCall extends HeapItem<'inTurn'>, Ranked {
  readonly tenant: string;
}

/** Tenants without waiting calls whose counters are remembered, at most. */
const MOST_REMEMBERED = 4096;

interface Line<C extends TurnCall> extends HeapItem<'inOrder'> {
  readonly tenant: string;
  readonly calls: IndexedHeap<'inTurn', C>;
  /** The token counter. */
  served: number;
  /** Calls that wait, those set aside too. */
  waiting: number;
}

/**
 * Tenants take turns: the one that was served the fewest tokens offers its densest call. The virtual token counter of
 * Sheng et al., "Fairness in Serving Large Language Models" (OSDI 2024): among tenants that keep calls waiting the
 * counters differ by at most one call; one that returns starts at the least counter of those waiting, so that idling
 * saves up nothing.
 */
export class Turns<C extends TurnCall> {
  readonly #lines = new Map<string, Line<C>>();
  readonly #order = new IndexedHeap<'inOrder', Line<C>>('inOrder', sooner);
  readonly #remembered = new Map<string, number>();
  #sweepAt = 64;

  /** Tenants with calls waiting. */
  get tenants(): number {
    return this.#lines.size;
  }

  has(tenant: string): boolean {
    return this.#lines.has(tenant);
  }

  /** The call whose turn it is. */
  get next(): C | undefined {
    return this.#order.first?.calls.first;
  }

  add(call: C): void {
    const line = this.#lines.get(call.tenant) ?? this.#open(call.tenant);
    line.waiting += 1;
    this.#place(call, line);
  }

  /** The call is gone for good. */
  remove(call: C): void {
    const line = this.#lines.get(call.tenant);
    if (line === undefined) return;
    line.waiting -= 1;
    this.setAside(call);
    if (line.waiting) return;
    this.#lines.delete(line.tenant);
    if (this.#lines.size) this.#remember(line);
    else this.#remembered.clear();
  }

  /** Passes over a call for a moment: it still waits, but it isn't next. */
  setAside(call: C): void {
    const line = this.#lines.get(call.tenant);
    if (!line?.calls.remove(call)) return;
    if (line.calls.size) this.#order.update(line);
    else this.#order.remove(line);
  }

  /** Returns a call that was set aside. */
  putBack(call: C): void {
    const line = this.#lines.get(call.tenant);
    if (line !== undefined) this.#place(call, line);
  }

  /** Counts what a waiting call of the tenant takes: a token of the prompt once, one of the output twice. */
  charge(tenant: string, promptTokens: number, outputTokens: number): void {
    const line = this.#lines.get(tenant);
    if (line === undefined) return;
    line.served += Math.max(1, promptTokens + 2 * outputTokens);
    if (this.#order.has(line)) this.#order.update(line);
  }

  #place(call: C, line: Line<C>): void {
    line.calls.add(call);
    if (this.#order.has(line)) this.#order.update(line);
    else this.#order.add(line);
  }

  #open(tenant: string): Line<C> {
    const least = this.#order.first?.served ?? 0;
    const served = Math.max(this.#remembered.get(tenant) ?? 0, least);
    this.#remembered.delete(tenant);
    const line: Line<C> = {
      tenant,
      served,
      waiting: 0,
      inOrder: -1,
      calls: new IndexedHeap<'inTurn', C>('inTurn', before),
    };
    this.#lines.set(tenant, line);
    return line;
  }

  /** A counter at or below the least need not be kept: the tenant would start at the least anyway. */
  #remember({ tenant, served }: Line<C>): void {
    const least = this.#order.first?.served ?? 0;
    if (served <= least) return;
    this.#remembered.set(tenant, served);
    if (this.#remembered.size < this.#sweepAt) return;
    for (const [name, counter] of this.#remembered) if (counter <= least) this.#remembered.delete(name);
    for (const name of this.#remembered.keys()) {
      if (this.#remembered.size <= MOST_REMEMBERED * 0.75) break;
      this.#remembered.delete(name);
    }
    this.#sweepAt = Math.min(MOST_REMEMBERED, Math.max(64, 2 * this.#remembered.size));
  }
}

function sooner<C extends TurnCall>(a: Line<C>, b: Line<C>): boolean {
  if (a.served !== b.served) return a.served < b.served;
  return before(a.calls.first as C, b.calls.first as C);
}
