import type { Charge, Quota, QuotaMark } from './quota';

/** How an attempt's reservation may end. */
export type Settlement =
  /** The real usage is known. */
  | { readonly kind: 'used'; readonly usage: Charge }
  /** Nothing was admitted: a refusal, a connection that never stood, an attempt that was never sent. */
  | { readonly kind: 'returned' }
  /** Admitted, and what was used will never be known: the provider may have charged all of it. */
  | { readonly kind: 'kept' };

/** What one attempt took from its quotas. Settled exactly once: a second settlement changes nothing. */
export class Reservation {
  readonly #marks: readonly QuotaMark[];
  readonly #keepsReserved: () => boolean;
  #isHeard = false;
  #settled = false;

  /**
   * Takes the charge from every quota. The caller has made sure that it fits.
   * @param keepsReserved Whether the provider charges prompt + max_tokens at admission and gives nothing back: asked
   *   at the end, when its answer may have told.
   */
  constructor(
    readonly quotas: readonly Quota[],
    readonly charge: Charge,
    keepsReserved: () => boolean,
    now: number,
  ) {
    this.#keepsReserved = keepsReserved;
    for (const quota of quotas) quota.take(charge, now);
    this.#marks = quotas.map((quota) => quota.mark(now));
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** The levels just after the taking, in the order of `quotas`. */
  get marks(): readonly QuotaMark[] {
    return this.#marks;
  }

  /** The answer's headers have told what the provider took for the prompt: the levels follow those. */
  heard(): void {
    this.#isHeard = true;
  }

  settle(settlement: Settlement, now: number): void {
    if (this.#settled) return;
    this.#settled = true;
    for (const quota of this.quotas) quota.ended(this.charge);
    if (settlement.kind === 'kept') return;
    const back = settlement.kind === 'returned' ? this.charge : this.#unused(settlement.usage);
    for (const quota of this.quotas) quota.adjust(back, settlement.kind === 'returned' ? 1 : 0, now);
  }

  #unused(usage: Charge): Charge {
    const unused = this.charge.input - usage.input;
    // What the headers have given back already is not given back again.
    const input = this.#isHeard ? Math.min(0, unused) : unused;
    const output = this.charge.output - usage.output;
    if (!this.#keepsReserved()) return { input, output };
    // What was reserved is spent; what went beyond it is charged as well.
    const beyond = Math.min(0, input + output);
    return { input: 0, output: beyond };
  }
}
