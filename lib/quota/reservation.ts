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
      /** Usage as the answer reported it, from which the price is computed. */
      readonly reported?: Usage;
    }
  /** Nothing was admitted: the attempt was refused, failed to connect or was never sent. */
  | { readonly kind: 'returned' }
  /** The attempt was admitted, and its usage will never be known: the provider may have charged all of it. */
  | { readonly kind: 'kept' };

interface Taken {
  readonly takenAt: number;
  /** Bucket levels just after the reservation, in the order of the quotas. */
  readonly snapshots: readonly QuotaSnapshot[];
}

type State =
  /** Taken in this process; Redis still has to grant it. */
  | (Taken & { readonly kind: 'pending'; readonly grants: Grants })
  | (Taken & {
      readonly kind: 'confirmed';
      /** Whether headers have shown what the provider charged for the prompt, so that the levels already reflect it. */
      readonly isPromptCorrected: boolean;
    })
  | (Taken & { readonly kind: 'settled' });

/** What one attempt took from its quotas. It is settled once: a second settlement changes nothing. */
export class Reservation {
  readonly #quotas: readonly Quota[];
  readonly #keepsReserved: () => boolean;
  #state: State;

  /**
   * Takes the cost from every quota. The caller must have made sure that it fits.
   * @param keepsReserved Returns whether the provider charges the prompt and max_tokens at admission and refunds
   *   nothing. Called at settlement, when response headers may have shown it.
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

  /** False while Redis still has to grant the units, which can happen only in a cluster. */
  get isConfirmed(): boolean {
    return this.#state.kind !== 'pending';
  }

  /**
   * Waits until the reservation is granted. Resolves to false, with nothing taken, if Redis refused it because other
   * processes were faster, or if it was settled meanwhile. Never rejects.
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

  /** Starts a cooldown of the quotas after a 429. Call it once the reservation is settled. */
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
    // An attempt whose reservation was never granted was never sent.
    const ended: Settlement = grants ? { kind: 'returned' } : settlement;
    if (ended.kind === 'kept') return;
    const isReturned = ended.kind === 'returned';
    const isPromptCorrected = state.kind === 'confirmed' && state.isPromptCorrected;
    const back = isReturned ? this.cost : this.#unused(ended.usage, isPromptCorrected);
    for (const quota of this.#quotas) quota.adjust(back, isReturned ? 1 : 0, now, takenAt, grants);
  }

  #unused(usage: Cost, isPromptCorrected: boolean): Cost {
    const unused = this.cost.input - usage.input;
    // What corrections from headers have already returned is not returned again.
    const input = isPromptCorrected ? Math.min(0, unused) : unused;
    const output = this.cost.output - usage.output;
    if (!this.#keepsReserved()) return { input, output };
    // The provider charges what was reserved, so nothing comes back. Usage beyond it is charged in addition.
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
