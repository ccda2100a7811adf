import { startTimer, type Timer } from '../../util/timers';
import { Hold } from './grant-request';
import type { LeaseTerms } from './lease-terms';
import { leaseMs } from './lease-terms';
import { FLUSH_MS } from './lease-times';
import type { LedgerUnits } from './ledger-units';
import type { LeaseLedger, LeaseView } from './local-view';
import { Credit } from './unused-lease';

/** A lease that nobody has used for so long goes back. */
const IDLE_MS = 1_000;
/** One that is gathered for a call that waits stays so long after the call was last heard of. */
const GATHERING_MS = 2_000;
/** How long a process leaves a drained ledger alone, in milliseconds: for each member, and at most. */
const PAUSE_MS = 80;
const MOST_PAUSE_MS = 640;

export interface LeaseParts {
  readonly view: LeaseView;
  readonly ledger: LeaseLedger;
  readonly units: LedgerUnits;
  /** A lease has come in that a call in a queue may have waited for. */
  onRoom(): void;
  /** The ledger has answered. */
  onAnswer(): void;
}

/** What a question asks for, in our units; what is given back and the price in the ledger's. */
interface Question {
  readonly wanted: number;
  readonly price: number;
  readonly owed: number;
  readonly shift: number;
  readonly back: number;
  readonly holds: ReadonlySet<Hold>;
}

/**
 * What a process has in hand of a ledger in Redis, and the one question at a time by which it asks for more, tells what
 * it owes, and gives back what it doesn't use. While it is suspended it asks nothing.
 */
export class Lease {
  readonly #parts: LeaseParts;
  /** In hand, and reserved by nobody. */
  readonly #credit = new Credit();
  #terms: LeaseTerms;
  #members = 1;
  #maximum = Infinity;
  /** Used without asking: usage above the estimate. */
  #owed = 0;
  /** Corrections by headers that the ledger has not been told. */
  #shift = 0;
  /** Units of the ledger on their way back. */
  #back = 0;
  #holds: Hold[] = [];
  #isOpen = false;
  #isAsking = false;
  /** The ledger's level is not known, or no longer. */
  #isBlind = true;
  /** Counts suspensions: an answer from before one is no answer. */
  #epoch = 0;
  #usedAt = -Infinity;
  /** The lease doesn't cover another call like the last. */
  #isLow = false;
  /** Units that the call at the head of the queue waits for, and when it last said so. */
  #gathering = 0;
  #gatheredAt = -Infinity;
  #pausedUntil = -Infinity;
  #timer: Timer | undefined;

  constructor(parts: LeaseParts, terms: LeaseTerms) {
    this.#parts = parts;
    this.#terms = terms;
  }

  /** @param maximum The most that the ledger holds, in its units. */
  configure(terms: LeaseTerms, members: number, maximum: number): void {
    this.#terms = terms;
    this.#members = members;
    this.#maximum = maximum;
  }

  /** What the ledger holds, as far as we know. */
  ledgerLevel(now: number): number {
    return this.#parts.view.level(now) + this.#waiting - this.#credit.units;
  }

  /** Covers what the view has just given out. Undefined where the lease in hand does: nothing is to be waited for. */
  reserve(units: number): Hold | undefined {
    const now = performance.now();
    // Whoever is called once in a while would give it back unused.
    const isBusy = now - this.#usedAt < IDLE_MS;
    this.#usedAt = now;
    if (this.#holds.length === 0 && this.#credit.covers(units)) {
      this.#credit.spend(units);
      this.#isLow = isBusy && !this.#credit.covers(units) && this.#pausedUntil <= now;
      // The next call finds it in hand, and doesn't wait for it; nor does this one, which is sent first.
      if (this.#isLow) setImmediate(() => void this.#ask());
      return undefined;
    }
    const hold = new Hold(units, this.#cancel);
    this.#holds.push(hold);
    // All that start in one turn ask together.
    if (this.#holds.length === 1) queueMicrotask(() => void this.#ask());
    return hold;
  }

  /** @param viewMs The wait as the view has it. */
  waitMs(units: number, viewMs: number, now: number): number {
    // The lease in hand is ours, whatever the ledger holds.
    if (this.#holds.length === 0 && this.#credit.covers(units)) return 0;
    return Math.max(viewMs, this.#pausedUntil - now);
  }

  gather(units: number, now: number): void {
    this.#gathering = Math.min(units, this.#parts.view.depth);
    this.#gatheredAt = now;
    if (this.#pausedUntil <= now && !this.#credit.covers(this.#gathering)) void this.#ask();
  }

  returned(units: number): void {
    this.#credit.add(units, this.#parts.units.to(units));
    this.#serve();
    this.#touch();
  }

  overdrawn(units: number): void {
    const covered = Math.min(units, this.#credit.units);
    this.#credit.spend(covered);
    this.#owed += units - covered;
    this.#touch();
  }

  shifted(units: number): void {
    this.#shift += units;
    this.#touch();
  }

  /** Asks from now on, at once for the ledger's level. */
  open(): void {
    this.#isOpen = true;
    this.#isBlind = true;
    void this.#ask();
  }

  /** Asks nothing any more. Gives what is in hand, what the ledger has not been told, and who waits. */
  suspend(): { readonly inHand: number; readonly untold: number; readonly holds: Hold[] } {
    this.#isOpen = this.#isAsking = false;
    this.#epoch++;
    const inHand = this.#credit.units;
    const untold = this.#owed - this.#shift - this.#parts.units.from(this.#back);
    this.#credit.clear();
    this.#owed = this.#shift = this.#back = 0;
    return { inHand, untold, holds: this.#holds.splice(0) };
  }

  /** Gives everything back. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const back = Math.floor(this.#back + this.#credit.spend(this.#credit.units));
    if (this.#isOpen && back > 0) this.#parts.ledger.take(-back).catch(() => undefined);
    for (const hold of this.suspend().holds) hold.settle(false);
  }

  readonly #cancel = (hold: Hold): void => {
    this.#holds = this.#holds.filter((other) => other !== hold);
    hold.settle(false);
    this.#parts.view.put(hold.units, performance.now());
  };

  get #waiting(): number {
    let units = 0;
    for (const hold of this.#holds) units += hold.units;
    return units;
  }

  /** The units of one lease. */
  get #size(): number {
    const { limit, depthMs } = this.#terms;
    return (leaseMs(depthMs, this.#members) * limit * this.#parts.view.limitShare) / 60_000;
  }

  #serve(): void {
    for (let hold = this.#holds[0]; hold; hold = this.#holds[0]) {
      if (!this.#credit.covers(hold.units)) return;
      this.#credit.spend(hold.units);
      this.#holds.shift();
      hold.settle(true);
    }
  }

  /** Asks for what is waited for, tells what is owed, and gives back what is left over: in one step. */
  async #ask(): Promise<void> {
    if (this.#isAsking || !this.#isOpen) return;
    const question = this.#question();
    if (!question) return;
    this.#isAsking = true;
    const { ledger, units } = this.#parts;
    const { price, owed, shift, back } = question;
    const taken = price + units.to(owed) - units.to(shift) - back;
    const epoch = this.#epoch;
    let left: number;
    try {
      left = await ledger.take(taken);
    } catch {
      if (epoch !== this.#epoch) return;
      // Nobody knows whether it was taken. The next flush tries again.
      this.#owed += owed;
      this.#shift += shift;
      this.#back += back;
      this.#isAsking = false;
      this.#touch();
      return;
    }
    if (epoch !== this.#epoch) {
      // It came too late to count on: an outage lay between.
      ledger.take(-price).catch(() => undefined);
      return;
    }
    this.#isAsking = this.#isBlind = false;
    this.#parts.onAnswer();
    this.#heard(question, units.from(left - this.#swallowed(taken, left)));
    this.#touch();
    if (this.#holds.length > 0) void this.#ask();
  }

  /**
   * Bottleneck takes first and refills then: what is taken of a bucket that has been full for a while comes back at
   * once, as if it had never been taken. It is taken again, which nobody waits for.
   */
  #swallowed(taken: number, left: number): number {
    const swallowed = taken > 0 ? Math.min(taken, Math.max(0, left - (this.#maximum - taken))) : 0;
    if (swallowed > 0) this.#parts.ledger.take(swallowed).catch(() => undefined);
    return swallowed;
  }

  #question(): Question | undefined {
    const wanted = this.#wanted(performance.now());
    const back = Math.floor(this.#back);
    const owed = this.#owed;
    const shift = this.#shift;
    if (wanted === 0 && owed === 0 && shift === 0 && back === 0 && !this.#isBlind) return undefined;
    this.#owed = this.#shift = 0;
    this.#back -= back;
    const price = this.#parts.units.price(wanted);
    return { wanted, price, owed, shift, back, holds: new Set(this.#holds) };
  }

  /** The holds' units, and a lease on top where the ledger has that much to spare. */
  #wanted(now: number): number {
    const isGathering = now - this.#gatheredAt < GATHERING_MS;
    const ahead = this.#isLow ? this.#size : 0;
    this.#isLow = false;
    const needed = Math.max(this.#waiting, isGathering ? this.#gathering : ahead);
    const need = Math.max(0, needed - this.#credit.units);
    if (need === 0) return 0;
    const room = this.ledgerLevel(now) - this.#parts.view.headroom;
    // Nobody waits for the answer yet: no more than what should be there for this process.
    if (this.#holds.length === 0) return Math.max(0, Math.min(need, room));
    return need + Math.max(0, Math.min(this.#size, room - need));
  }

  /** @param left What the ledger held after the question. */
  #heard({ wanted, price, shift, holds }: Question, left: number): void {
    const { ledger, units, view } = this.#parts;
    const { depth, headroom: spare } = view;
    // A call larger than the depth starts on a full bucket, and leaves a debt.
    const floor = Math.min(spare, depth - (this.#holds[0]?.units ?? 0));
    const refused = Math.min(wanted, Math.max(0, floor - left));
    // A correction says what is left, and never makes a debt; nor more than the bucket holds.
    const tooLow = shift < 0 ? Math.min(-shift, Math.max(0, -(left + refused))) : 0;
    const tooHigh = shift > 0 ? Math.min(shift, Math.max(0, left - depth)) : 0;
    const refusedPrice = wanted > 0 ? Math.floor((price * refused) / wanted) : 0;
    const undo = refusedPrice + units.to(tooLow) - units.to(tooHigh);
    if (undo !== 0) ledger.take(-undo).catch(() => undefined);
    this.#credit.add(wanted - refused, price - refusedPrice);
    this.#serve();
    const now = performance.now();
    const late = this.#holds.filter((hold) => holds.has(hold));
    this.#holds = this.#holds.filter((hold) => !holds.has(hold));
    view.syncLevel(left + refused + tooLow - tooHigh + this.#credit.units - this.#waiting, now);
    if (left + refused < spare + this.#size) {
      // The ledger is drained: who asks as soon as something might be there gets it in ever smaller parts. And each
      // asker takes what has come in since the one before: in a fixed order the same one would always be late.
      this.#pausedUntil = now + Math.min(MOST_PAUSE_MS, PAUSE_MS * this.#members) * (0.5 + Math.random());
    }
    for (const hold of late) hold.settle(false);
    if (wanted > refused) this.#parts.onRoom();
  }

  /** Gives back what is in hand beyond a lease, and all of it after a while without use. */
  #flush(): void {
    const now = performance.now();
    if (this.#isOpen && this.#holds.length === 0) {
      const isGathering = now - this.#gatheredAt < GATHERING_MS;
      const isIdle = now - this.#usedAt >= IDLE_MS;
      const keeps = isGathering ? this.#credit.units : isIdle ? 0 : this.#size;
      if (this.#credit.units > keeps) this.#back += this.#credit.spend(this.#credit.units - keeps);
    }
    void this.#ask();
    this.#touch();
  }

  #touch(): void {
    if (!this.#isOpen) return;
    const hasNews = this.#owed > 0 || this.#shift !== 0 || this.#back >= 1;
    if (!hasNews && this.#credit.units === 0 && this.#holds.length === 0) return;
    this.#timer ??= startTimer(() => {
      this.#timer = undefined;
      this.#flush();
    }, FLUSH_MS).unref();
  }
}
