import type { QuotaHold } from './pending-grant';
import type { Charge, Quota, QuotaMark } from './quota';

const NONE: ReadonlyMap<Quota, QuotaHold> = new Map();

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
  #marks: readonly QuotaMark[];
  /** By quota: what the taking waits for. */
  #holds: ReadonlyMap<Quota, QuotaHold>;
  readonly #keepsReserved: () => boolean;
  #takenAt: number;
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
    this.#takenAt = now;
    const holds = new Map<Quota, QuotaHold>();
    for (const quota of quotas) {
      const hold = quota.take(charge, now);
      if (hold) holds.set(quota, hold);
    }
    this.#holds = holds.size > 0 ? holds : NONE;
    this.#marks = quotas.map((quota) => quota.mark(now));
  }

  /** Whether it stands. In a cluster a ledger may have to be asked first. */
  get isSecured(): boolean {
    return this.#holds.size === 0;
  }

  /**
   * Waits until it stands. False where other processes were faster, or it was settled meanwhile: then nothing is taken.
   * Never rejects.
   */
  async secure(): Promise<boolean> {
    const answers = await Promise.all([...this.#holds.values()].map((hold) => hold.granted()));
    if (this.#settled) return false;
    const now = performance.now();
    if (!answers.every((isGranted) => isGranted)) {
      this.settle({ kind: 'returned' }, now);
      return false;
    }
    this.#holds = NONE;
    this.#takenAt = now;
    this.#marks = this.quotas.map((quota) => quota.mark(now));
    return true;
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
    if (!this.isSecured) {
      this.#undo(now);
      return;
    }
    if (settlement.kind === 'kept') return;
    const back = settlement.kind === 'returned' ? this.charge : this.#unused(settlement.usage);
    for (const quota of this.quotas) {
      quota.adjust(back, settlement.kind === 'returned' ? 1 : 0, now, this.#takenAt);
    }
  }

  /** It never stood. */
  #undo(now: number): void {
    for (const quota of this.quotas) {
      const hold = this.#holds.get(quota);
      if (hold) quota.undo(this.charge, hold, now, this.#takenAt);
      else quota.adjust(this.charge, 1, now, this.#takenAt);
    }
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
