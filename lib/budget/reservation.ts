import type { Price } from '../models/profile';
import type { Settlement } from '../quota/reservation';
import { unitsOf, unitsOfUsage } from './price';
import type { Held, SpendLimit } from './spend-limit';

/** The money that one attempt has reserved in its budgets. Settled exactly once: a second settlement changes nothing. */
export class SpendReservation {
  readonly #held: readonly (readonly [SpendLimit, Held])[];
  readonly #onSettled: () => void;
  #isSettled = false;

  constructor(
    held: readonly (readonly [SpendLimit, Held])[],
    /** The reserved units. */
    readonly units: number,
    /** The endpoint's price when the attempt was sent. */
    readonly price: Price,
    onSettled: () => void,
  ) {
    this.#held = held;
    this.#onSettled = onSettled;
  }

  /** Whether the reservation is complete. A shared store may have to confirm it first. */
  get isConfirmed(): boolean {
    return this.#held.every(([, { request }]) => request === undefined || request.state === 'granted');
  }

  /**
   * Waits until everything is reserved. Resolves to false, with nothing reserved, if other attempts have taken the
   * money. Never rejects.
   */
  async confirm(): Promise<boolean> {
    const requests = this.#held.flatMap(([, { request }]) => request ?? []);
    const answers = await Promise.all(requests.map(({ decision }) => decision));
    const isGranted = answers.every((isGrantedHere) => isGrantedHere) && !this.#isSettled;
    if (!isGranted) this.settle(0);
    return isGranted;
  }

  /** Settles the money as the quota reservation of the same attempt was settled. */
  settleAs(settlement: Settlement): void {
    if (settlement.kind !== 'used') this.settle(settlement.kind === 'kept' ? this.units : 0);
    else if (settlement.reported) this.settle(unitsOfUsage(settlement.reported, this.price));
    else this.settle(unitsOf(settlement.usage, this.price));
  }

  /** Settles the reservation. @param used Units that were spent; 0 if the attempt was never admitted. */
  settle(used: number): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    const spent = Number.isFinite(used) ? Math.max(0, Math.ceil(used)) : this.units;
    for (const [spendLimit, held] of this.#held) spendLimit.settle(held, spent);
    this.#onSettled();
  }
}
