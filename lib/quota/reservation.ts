import type { PendingGrant } from './pending-grant';
import type { Cost, Quota, QuotaSnapshot } from './quota';

const NO_PENDING_GRANTS: ReadonlyMap<Quota, PendingGrant> = new Map();

/** How an attempt's reservation may end. */
export type Settlement =
  /** The real usage is known. */
  | { readonly kind: 'used'; readonly usage: Cost }
  /** Nothing was admitted: a refusal, a connection that never stood, an attempt that was never sent. */
  | { readonly kind: 'returned' }
  /** Admitted, and what was used will never be known: the provider may have charged all of it. */
  | { readonly kind: 'kept' };

/** What one attempt took from its quotas. Settled exactly once: a second settlement changes nothing. */
export class Reservation {
  #snapshots: readonly QuotaSnapshot[];
  /** By quota: what the taking waits for. */
  #pendingGrants: ReadonlyMap<Quota, PendingGrant>;
  readonly #isReservedKept: () => boolean;
  #takenAt: number;
  #isPromptCorrected = false;
  #isSettled = false;

  /**
   * Takes the charge from every quota. The caller has made sure that it fits.
   * @param isReservedKept Whether the provider charges prompt + max_tokens at admission and gives nothing back: asked
   *   at the end, when its answer may have told.
   */
  constructor(
    readonly quotas: readonly Quota[],
    readonly cost: Cost,
    isReservedKept: () => boolean,
    now: number,
  ) {
    this.#isReservedKept = isReservedKept;
    this.#takenAt = now;
    const pendingGrants = new Map<Quota, PendingGrant>();
    for (const quota of quotas) {
      const hold = quota.take(cost, now);
      if (hold) pendingGrants.set(quota, hold);
    }
    this.#pendingGrants = pendingGrants.size > 0 ? pendingGrants : NO_PENDING_GRANTS;
    this.#snapshots = quotas.map((quota) => quota.snapshot(now));
  }

  /** Whether it stands. In a cluster a ledger may have to be asked first. */
  get isConfirmed(): boolean {
    return this.#pendingGrants.size === 0;
  }

  /**
   * Waits until it stands. False where other processes were faster, or it was settled meanwhile: then nothing is taken.
   * Never rejects.
   */
  async confirm(): Promise<boolean> {
    const answers = await Promise.all(
      [...this.#pendingGrants.values()].map((hold) => hold.waitUntilGranted()),
    );
    if (this.#isSettled) return false;
    const now = performance.now();
    if (!answers.every((isGranted) => isGranted)) {
      this.settle({ kind: 'returned' }, now);
      return false;
    }
    this.#pendingGrants = NO_PENDING_GRANTS;
    this.#takenAt = now;
    this.#snapshots = this.quotas.map((quota) => quota.snapshot(now));
    return true;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** The levels just after the taking, in the order of `quotas`. */
  get snapshots(): readonly QuotaSnapshot[] {
    return this.#snapshots;
  }

  /** The answer's headers have told what the provider took for the prompt: the levels follow those. */
  markPromptCorrected(): void {
    this.#isPromptCorrected = true;
  }

  settle(settlement: Settlement, now: number): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    for (const quota of this.quotas) quota.finishAttempt(this.cost);
    if (!this.isConfirmed) {
      this.#undo(now);
      return;
    }
    if (settlement.kind === 'kept') return;
    const back = settlement.kind === 'returned' ? this.cost : this.#unused(settlement.usage);
    for (const quota of this.quotas) {
      quota.adjust(back, settlement.kind === 'returned' ? 1 : 0, now, this.#takenAt);
    }
  }

  /** It never stood. */
  #undo(now: number): void {
    for (const quota of this.quotas) {
      const hold = this.#pendingGrants.get(quota);
      if (hold) quota.undo(this.cost, hold, now, this.#takenAt);
      else quota.adjust(this.cost, 1, now, this.#takenAt);
    }
  }

  #unused(usage: Cost): Cost {
    const unused = this.cost.input - usage.input;
    // What the headers have given back already is not given back again.
    const input = this.#isPromptCorrected ? Math.min(0, unused) : unused;
    const output = this.cost.output - usage.output;
    if (!this.#isReservedKept()) return { input, output };
    // What was reserved is spent; what went beyond it is charged as well.
    const beyond = Math.min(0, input + output);
    return { input: 0, output: beyond };
  }
}
