import type { Usage } from '../call/answer';
import type { LimitReading } from '../provider/rate-limits/rate-limit-headers';
import type { Refusal } from './cooldown';
import type { Cost } from './cost';
import type { QuotaSnapshot } from './limits';
import type { Grants, Quota } from './quota';

/** How a reservation ends. */
export type Settlement =
  /** The real usage is known. */
  | {
      readonly kind: 'used';
      readonly usage: Cost;
      /** As the answer has reported it, for its price. */
      readonly reported?: Usage;
    }
  /** Nothing was admitted: a refusal, a failed connection, an attempt that was never sent. */
  | { readonly kind: 'returned' }
  /** Admitted, and the usage will never be known: the provider may have charged all of it. */
  | { readonly kind: 'kept' };

interface Taken {
  readonly takenAt: number;
  /** The levels just after the reservation, in the order of the quotas. */
  readonly snapshots: readonly QuotaSnapshot[];
}

type State =
  /** Taken here; Redis has still to grant it. */
  | (Taken & { readonly kind: 'pending'; readonly grants: Grants })
  | (Taken & {
      readonly kind: 'confirmed';
      /** Headers have shown what the provider took for the prompt, and the levels follow them already. */
      readonly isPromptCorrected: boolean;
    })
  | (Taken & { readonly kind: 'settled' });

/** What one attempt took from its quotas. Settled exactly once: a second settlement changes nothing. */
export class Reservation {
  readonly #quotas: readonly Quota[];
  readonly #keepsReserved: () => boolean;
  #state: State;

  /**
   * Takes the cost from every quota. The caller has made sure that it fits.
   * @param keepsReserved Whether the provider charges the prompt and max_tokens at admission and refunds nothing. Asked
   *   at the end, when the provider's answer may have shown it.
   */
  constructor(
    quotas: readonly Quota[],
    readonly cost: Cost,
    keepsReserved: () => boolean,
    now: number,
  ) {
    this.#quotas = quotas;
    this.#keepsReserved = keepsReserved;
    const grants: Grants = new Map();
    for (const quota of quotas) quota.take(cost, now, grants);
    this.#state =
      grants.size > 0
        ? { kind: 'pending', grants, takenAt: now, snapshots: this.#snapshots(now) }
        : this.#confirmed(now);
  }

  /** Whether nothing has to be waited for. In a cluster, Redis may have to be asked first. */
  get isConfirmed(): boolean {
    return this.#state.kind !== 'pending';
  }

  /**
   * Waits until it is granted. False if other processes were faster, or if it was settled meanwhile: then nothing is
   * taken. Never rejects.
   */
  async confirm(): Promise<boolean> {
    const state = this.#state;
    if (state.kind !== 'pending') return state.kind === 'confirmed';
    const answers = await Promise.all([...state.grants.values()].map(({ decision }) => decision));
    if (this.#state !== state) return false;
    const now = performance.now();
    const isGranted = answers.every((each) => each);
    if (isGranted) this.#state = this.#confirmed(now);
    else this.settle({ kind: 'returned' }, now);
    return isGranted;
  }

  correct(reading: LimitReading, now: number): void {
    const { kind, takenAt, snapshots } = this.#state;
    if (kind === 'confirmed' && reading.tokens?.remaining !== undefined)
      this.#state = { kind, isPromptCorrected: true, takenAt, snapshots };
    const served = { input: this.cost.input, output: 0 };
    for (let index = 0; index < this.#quotas.length; index++) {
      const snapshot = snapshots[index];
      if (snapshot) this.#quotas[index]?.correct(snapshot, reading, served, now);
    }
  }

  /** Cools the quotas down after a 429. Call it once the reservation is settled. */
  recordRefusal(refusal: Refusal, now: number): void {
    for (const [index, quota] of this.#quotas.entries()) {
      const snapshot = this.#state.snapshots[index];
      quota.recordRefusal(refusal, now, snapshot && { snapshot, cost: this.cost });
    }
  }

  settle(settlement: Settlement, now: number): void {
    const state = this.#state;
    if (state.kind === 'settled') return;
    const { takenAt, snapshots } = state;
    this.#state = { kind: 'settled', takenAt, snapshots };
    for (const quota of this.#quotas) quota.finishAttempt(this.cost);
    const grants = state.kind === 'pending' ? state.grants : undefined;
    for (const request of grants?.values() ?? []) request.cancel();
    // What was never granted was never sent.
    const ended: Settlement = grants ? { kind: 'returned' } : settlement;
    if (ended.kind === 'kept') return;
    const isReturned = ended.kind === 'returned';
    const isPromptCorrected = state.kind === 'confirmed' && state.isPromptCorrected;
    const back = isReturned ? this.cost : this.#unused(ended.usage, isPromptCorrected);
    for (const quota of this.#quotas) quota.adjust(back, isReturned ? 1 : 0, now, takenAt, grants);
  }

  #unused(usage: Cost, isPromptCorrected: boolean): Cost {
    const unused = this.cost.input - usage.input;
    // What the headers have given back already is not given back again.
    const input = isPromptCorrected ? Math.min(0, unused) : unused;
    const output = this.cost.output - usage.output;
    if (!this.#keepsReserved()) return { input, output };
    // What was reserved is spent. Only usage beyond it is charged as well.
    return { input: 0, output: Math.min(0, input + output) };
  }

  #confirmed(now: number): State {
    return {
      kind: 'confirmed',
      isPromptCorrected: false,
      takenAt: now,
      snapshots: this.#snapshots(now),
    };
  }

  #snapshots(now: number): QuotaSnapshot[] {
    return this.#quotas.map((quota) => quota.snapshot(now));
  }
}
