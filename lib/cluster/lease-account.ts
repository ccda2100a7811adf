import { Credit } from './credit';
import { Hold } from './hold';
import { type LeaseTerms, leaseMs, ledgerDepthMs } from './lease-terms';
import type { LeaseLedger, LeaseView } from './lease-view';
import type { ClusterMode } from './options';
import { OutageShare } from './outage-share';

/**
 * Units of the ledger in one request or token. Redis counts in whole numbers, and this makes a limit of one a minute a
 * refill of one a millisecond.
 */
const SCALE = 60_000;
/** What is owed, and what is left over, is told at most this often, in milliseconds. */
const FLUSH_MS = 250;
/** A lease that nobody has used for so long goes back. */
const IDLE_MS = 1_000;
/** One that is gathered for a call that waits stays so long after the call was last heard of. */
const GATHERING_MS = 2_000;
/** How long a process leaves a drained ledger alone, in milliseconds: for each member, and at most. */
const PAUSE_MS = 80;
const MOST_PAUSE_MS = 640;
/** How many times, a flush apart, a process tells what it used without Redis before it asks for more. */
const REJOIN_STEPS = 4;
/** A ledger that holds more than this share of its depth may be full. */
const FULL_SHARE = 0.5;
/** How soon a call asks again while nothing may start, in milliseconds. */
const CLOSED_MS = 1_000;

/**
 * One limit of a quota that many processes share. The view answers at once; what it lets through is covered by a lease,
 * taken from the ledger in one step, so that most calls cost no round trip. A call that finds the lease used up waits
 * for the next one.
 */
export class LeaseAccount {
  readonly #view: LeaseView;
  readonly #ledger: LeaseLedger;
  readonly #onRoom: () => void;
  #mode: ClusterMode = 'starting';
  #members = 1;
  #terms: LeaseTerms;
  /** Units in hand that nobody has reserved. */
  readonly #credit = new Credit();
  /** Used without asking: usage above the estimate. */
  #owed = 0;
  /** Corrections by headers that the ledger has not been told. */
  #shift = 0;
  /** Units of the ledger on their way back. */
  #back = 0;
  #holds: Hold[] = [];
  #isAsking = false;
  /** Counts changes of the mode: an answer from before one is no answer. */
  #epoch = 0;
  #usedAt = -Infinity;
  /** Units that the call at the head of the queue waits for, and when it last said so. */
  #gathering = 0;
  #gatheredAt = -Infinity;
  #pausedUntil = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Without Redis, and until it has been told what was used meanwhile. */
  #outage: OutageShare | undefined;
  /** The ledger has not been heard since the start. */
  #isNew = true;
  #onAnswer: () => void = () => undefined;
  /** Resolves when the ledger has told its level, or can't be asked. */
  readonly answered = new Promise<void>((resolve) => {
    this.#onAnswer = resolve;
  });
  #rejoin: ReturnType<typeof setTimeout> | undefined;

  /** @param onRoom Told when a lease has come in that a call in a queue may have waited for. */
  constructor(view: LeaseView, ledger: LeaseLedger, terms: LeaseTerms, onRoom: () => void = () => undefined) {
    this.#onRoom = onRoom;
    this.#view = view;
    this.#ledger = ledger;
    this.#terms = terms;
  }

  /** Covers what the view has just given out. Undefined where the lease in hand does: nothing is to be waited for. */
  reserve(units: number): Hold | undefined {
    if (this.#isLocal) return undefined;
    this.#usedAt = performance.now();
    if (this.#holds.length === 0 && this.#credit.covers(units)) {
      this.#credit.spend(units);
      return undefined;
    }
    const hold = new Hold(units, this.#cancel);
    this.#holds.push(hold);
    // All that start in one turn ask together.
    if (this.#holds.length === 1) queueMicrotask(() => void this.#ask());
    return hold;
  }

  /**
   * Milliseconds until so many units can be reserved.
   * @param viewMs As the view has it.
   */
  waitMs(units: number, viewMs: number, now: number): number {
    if (this.#mode === 'closed') return CLOSED_MS;
    if (this.#isLocal) return viewMs;
    // The lease in hand is ours, whatever the ledger holds.
    if (this.#holds.length === 0 && this.#credit.covers(units)) return 0;
    return Math.max(viewMs, this.#pausedUntil - now);
  }

  /** A call waits for so many units: they are gathered bit by bit, or those who want less would always be faster. */
  gather(units: number, now: number): void {
    if (this.#isLocal || this.#mode === 'starting') return;
    this.#gathering = Math.min(units, this.#view.depth);
    this.#gatheredAt = now;
    if (this.#pausedUntil <= now && !this.#credit.covers(this.#gathering)) void this.#ask();
  }

  /** What had been covered is not needed. */
  returned(units: number): void {
    if (this.#isLocal) return;
    this.#credit.add(units, this.#toLedger(units));
    this.#serve();
    this.#touch();
  }

  /** More was used than had been covered. */
  overdrawn(units: number): void {
    if (this.#isLocal) return;
    const covered = Math.min(units, this.#credit.units);
    this.#credit.spend(covered);
    this.#owed += units - covered;
    this.#touch();
  }

  /** The provider's own count has corrected the view by so much. */
  shifted(units: number): void {
    if (this.#isLocal) return;
    this.#shift += units;
    this.#touch();
  }

  /** The terms or the number of members have changed. */
  configure(terms: LeaseTerms, members: number): void {
    this.#terms = terms;
    this.#members = Math.max(1, members);
    const { limit, depthMs } = terms;
    const heldMs = ledgerDepthMs(depthMs, this.#members);
    this.#view.setCompany(heldMs, this.#members);
    const rate = limit;
    // Where it fails, Redis is away, and the next beat configures again.
    this.#ledger.configure({ rate, maximum: Math.round(rate * heldMs) }).catch(() => undefined);
  }

  setMode(mode: ClusterMode, now: number): void {
    if (mode === this.#mode) return;
    const wasLocal = this.#isLocal;
    this.#mode = mode;
    clearTimeout(this.#rejoin);
    this.#rejoin = undefined;
    if (mode !== 'shared') {
      if (!wasLocal) this.#goLocal(now);
    } else if (wasLocal) {
      this.#tell(REJOIN_STEPS);
    } else {
      void this.#ask();
    }
  }

  /** Units of the ledger to make it with where Redis has lost it, or never had it. */
  initialLevel(): number {
    const now = performance.now();
    const level = this.#outage?.wholeLevel(this.#ledgerRate, now) ?? this.#ledgerLevel(now);
    return this.#toLedger(Math.min(this.#view.depth / (this.#outage?.share ?? 1), level));
  }

  async balance(): Promise<number> {
    return Math.floor(((await this.#ledger.level()) / SCALE) * this.#view.limitShare);
  }

  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#rejoin);
    this.#timer = this.#rejoin = undefined;
    this.#back += Math.floor(this.#credit.spend(this.#credit.units));
    if (this.#mode === 'shared' && this.#back > 0) this.#ledger.take(-this.#back).catch(() => undefined);
    for (const hold of this.#holds.splice(0)) hold.settle(false);
    this.#onAnswer();
    this.#mode = 'closed';
    this.#ledger.close();
  }

  get #isLocal(): boolean {
    return (this.#mode !== 'shared' && this.#mode !== 'starting') || this.#rejoin !== undefined;
  }

  get #waiting(): number {
    let units = 0;
    for (const hold of this.#holds) units += hold.units;
    return units;
  }

  /** What the ledger holds, as far as we know. */
  #ledgerLevel(now: number): number {
    return this.#view.level(now) + this.#waiting - this.#credit.units;
  }

  /** Its refill, in units a millisecond. */
  get #ledgerRate(): number {
    return (this.#terms.limit * this.#view.limitShare) / 60_000;
  }

  get #leaseUnits(): number {
    return leaseMs(this.#terms.depthMs, this.#members) * this.#ledgerRate;
  }

  #toLedger(units: number): number {
    return Math.ceil((units * SCALE) / this.#view.limitShare);
  }

  /** After refusals that no header explains each unit costs more: that is how the rate is lowered for everybody. */
  #price(units: number): number {
    return Math.ceil((units * SCALE) / (this.#view.limitShare * this.#view.slowdown));
  }

  readonly #cancel = (hold: Hold): void => {
    this.#holds = this.#holds.filter((other) => other !== hold);
    hold.settle(false);
    this.#view.put(hold.units, performance.now());
  };

  #serve(): void {
    for (let hold = this.#holds[0]; hold; hold = this.#holds[0]) {
      if (!this.#credit.covers(hold.units)) return;
      this.#credit.spend(hold.units);
      this.#holds.shift();
      hold.settle(true);
    }
  }

  /** Asks the ledger for what is waited for, tells it what is owed, and gives back what is left over: in one step. */
  async #ask(): Promise<void> {
    if (this.#isAsking || this.#isLocal || this.#mode === 'starting') return;
    const asked = new Set(this.#holds);
    const wanted = this.#wanted(performance.now());
    const owed = this.#owed;
    const shift = this.#shift;
    const back = Math.floor(this.#back);
    const isNews = this.#outage !== undefined || this.#isNew;
    if (wanted === 0 && owed === 0 && shift === 0 && back === 0 && !isNews) return;
    this.#isAsking = true;
    this.#owed = 0;
    this.#shift = 0;
    this.#back = 0;
    const price = this.#price(wanted);
    const epoch = this.#epoch;
    let left: number;
    try {
      const units = price + this.#toLedger(owed) - this.#toLedger(shift) - back;
      left = await this.#ledger.take(
        units,
        this.#ledgerLevel(performance.now()) > FULL_SHARE * this.#view.depth,
      );
    } catch {
      if (epoch !== this.#epoch) return;
      // Nobody knows whether it was taken. The mode changes, or the next flush tries again.
      this.#owed += owed;
      this.#shift += shift;
      this.#back += back;
      this.#isAsking = false;
      this.#touch();
      return;
    }
    if (epoch !== this.#epoch) {
      // It came too late to count on: an outage lay between.
      this.#ledger.take(-price).catch(() => undefined);
      return;
    }
    this.#outage = undefined;
    this.#isNew = false;
    this.#onAnswer();
    this.#heard({ wanted, price, shift, left, asked });
    this.#isAsking = false;
    this.#touch();
    if (this.#holds.length > 0) void this.#ask();
  }

  /** The holds' units, and a lease on top where the ledger has that much to spare. */
  #wanted(now: number): number {
    const isGathering = now - this.#gatheredAt < GATHERING_MS;
    if (this.#holds.length === 0 && !isGathering) return 0;
    const needed = Math.max(this.#waiting, isGathering ? this.#gathering : 0);
    const need = Math.max(0, needed - this.#credit.units);
    if (need === 0) return 0;
    const room = this.#ledgerLevel(now) - this.#view.spare;
    // Nobody waits for the answer yet: no more than what should be there for this process.
    if (this.#holds.length === 0) return Math.max(0, Math.min(need, room));
    return need + Math.max(0, Math.min(this.#leaseUnits, room - need));
  }

  #heard(answer: { wanted: number; price: number; shift: number; left: number; asked: Set<Hold> }): void {
    const { wanted, price, shift, asked } = answer;
    const { depth, spare } = this.#view;
    const left = (answer.left / SCALE) * this.#view.limitShare;
    // A call larger than the depth starts on a full bucket, and leaves a debt.
    const largest = this.#holds[0]?.units ?? 0;
    const floor = Math.min(spare, depth - largest);
    const refused = Math.min(wanted, Math.max(0, floor - left));
    // A correction says what is left, and never makes a debt; nor more than the bucket holds.
    const tooLow = shift < 0 ? Math.min(-shift, Math.max(0, -(left + refused))) : 0;
    const tooHigh = shift > 0 ? Math.min(shift, Math.max(0, left - depth)) : 0;
    const refusedPrice = wanted > 0 ? Math.floor((price * refused) / wanted) : 0;
    const undo = refusedPrice + this.#toLedger(tooLow) - this.#toLedger(tooHigh);
    if (undo !== 0) this.#ledger.take(-undo).catch(() => undefined);
    this.#credit.add(wanted - refused, price - refusedPrice);
    this.#serve();
    const now = performance.now();
    const late = this.#holds.filter((hold) => asked.has(hold));
    this.#holds = this.#holds.filter((hold) => !asked.has(hold));
    this.#view.agree(left + refused + tooLow - tooHigh + this.#credit.units - this.#waiting, now);
    if (left + refused < spare + this.#leaseUnits) {
      // The ledger is drained: who asks as soon as something might be there gets it in ever smaller parts.
      // Each asker takes what has come in since the one before: in a fixed order the same one would always be late.
      this.#pausedUntil = now + Math.min(MOST_PAUSE_MS, PAUSE_MS * this.#members) * (0.5 + Math.random());
    }
    for (const hold of late) hold.settle(false);
    if (wanted > refused) this.#onRoom();
  }

  /** Gives back what is in hand beyond a lease, and all of it after a while without use. */
  #flush(): void {
    const now = performance.now();
    if (this.#mode === 'shared' && this.#holds.length === 0) {
      const isGathering = now - this.#gatheredAt < GATHERING_MS;
      const isIdle = !isGathering && now - this.#usedAt >= IDLE_MS;
      const keeps = isIdle ? 0 : isGathering ? this.#credit.units : this.#leaseUnits;
      if (this.#credit.units > keeps) this.#back += this.#credit.spend(this.#credit.units - keeps);
    }
    void this.#ask();
    this.#touch();
  }

  #touch(): void {
    const isDue =
      this.#credit.units > 0 ||
      this.#owed > 0 ||
      this.#shift !== 0 ||
      this.#back >= 1 ||
      this.#holds.length > 0;
    if (this.#isLocal || !isDue) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#flush();
    }, FLUSH_MS).unref();
  }

  /** Redis is away: what it holds is divided among the members, and each goes on with its part. */
  #goLocal(now: number): void {
    this.#epoch++;
    this.#isAsking = false;
    this.#onAnswer();
    this.#outage = new OutageShare({
      ledger: this.#ledgerLevel(now),
      depth: this.#view.depth,
      share: this.#mode === 'local-share' ? 1 / this.#members : 1,
      // What Redis has not been told yet is told with the rest when it is back.
      untold: this.#owed - this.#shift - this.#back / SCALE,
      now,
    });
    const { start, share } = this.#outage;
    this.#view.setShare(share, start + this.#credit.units - this.#waiting, now);
    this.#credit.clear();
    this.#owed = this.#shift = this.#back = 0;
    const holds = this.#holds.splice(0);
    // The last come are the first to go where the share doesn't reach for all.
    for (const hold of holds.reverse()) {
      const isGranted = this.#mode !== 'closed' && this.#view.level(now) >= 0;
      if (!isGranted) this.#view.put(hold.units, now);
      hold.settle(isGranted);
    }
  }

  /**
   * Redis is back, and hears what was used meanwhile. For a second the process lives on its share still: whoever came
   * back first would take the shares of those who have not told yet for free.
   */
  #tell(steps: number): void {
    const now = performance.now();
    const news = this.#outage?.news(this.#view.level(now), this.#ledgerRate, now) ?? 0;
    if (steps === 0) {
      this.#rejoin = undefined;
      this.#comeBack(news, now);
      return;
    }
    this.#rejoin = setTimeout(() => this.#tell(steps - 1), FLUSH_MS).unref();
    if (this.#isAsking) return;
    const epoch = this.#epoch;
    this.#isAsking = true;
    this.#ledger.take(this.#toLedger(news)).then(
      (left) => {
        if (epoch !== this.#epoch) return;
        this.#isAsking = false;
        this.#outage?.tell(news);
        const tooLow = Math.min(this.#toLedger(news), -left);
        if (tooLow > 0) this.#ledger.take(-tooLow).catch(() => undefined);
      },
      () => {
        if (epoch === this.#epoch) this.#isAsking = false;
      },
    );
  }

  /** From now on the ledger's word counts. */
  #comeBack(untold: number, now: number): void {
    this.#epoch++;
    this.#isAsking = false;
    this.#shift = -untold;
    this.#view.setShare(1, this.#view.level(now), now);
    void this.#ask();
  }
}
