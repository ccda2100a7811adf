import { type LeaseTerms, leaseMs, ledgerDepthMs } from './lease-terms';
import type { ClusterMode } from './options';

/**
 * Units of the ledger in one request or token. Redis counts in whole numbers, and this makes a limit of one a minute a
 * refill of one a millisecond.
 */
const SCALE = 60_000;
/** What is owed, and what is left over, is told at most this often, in milliseconds. */
const FLUSH_MS = 250;
/** A lease that nobody has used for so long goes back. */
const IDLE_MS = 1_000;
/** One that is gathered for a large call stays longer. */
const GATHERING_MS = 5_000;
/** How long a process leaves a drained ledger to the others, in milliseconds: at least, and at most. */
const PAUSE_MS = 250;
const MOST_PAUSE_MS = 1_000;
/** How many times, a flush apart, a process tells what it used without Redis before it asks for more. */
const REJOIN_STEPS = 4;
/** Of a bucket that is divided because Redis is away, at most this share of its depth is handed out. */
const MOST_DIVIDED = 0.25;
/** How soon a call asks again while nothing may start, in milliseconds. */
const CLOSED_MS = 1_000;
/** Rounding, not a missing unit. */
const EPSILON = 1e-6;

/** The process's own reckoning of a limit: what the ledger holds, and the lease in hand. */
export interface LeaseView {
  readonly depth: number;
  /** The largest depth that a header has shown, in milliseconds of the limit; 0 without one. */
  readonly shownDepthMs: number;
  /** Units that stay untouched at the bottom. */
  readonly spare: number;
  /** The limit that the provider says, over the configured one; at most 1. */
  readonly limitShare: number;
  /** How far refusals have lowered the rate; at most 1. */
  readonly slowdown: number;
  level(now: number): number;
  put(units: number, now: number): void;
  /** The level is this. What it is off by is what other processes took. */
  agree(level: number, now: number): void;
  /** From now on this part of the limit and of the depth is its own; 1 is all of it. */
  setShare(share: number, level: number, now: number): void;
  /** Units a millisecond that this process can reckon with. */
  readonly rate: number;
  /** The depth, in milliseconds of the limit, and how many processes share it. */
  setCompany(depthMs: number, members: number): void;
}

/** The ledger in Redis. */
export interface LeaseLedger {
  /** Takes units of the ledger; gives what is left. Rejects while Redis is away. */
  take(units: number): Promise<number>;
  configure(terms: { rate: number; maximum: number }): Promise<void>;
  level(): Promise<number>;
  close(): void;
}

/** A part of the ledger as it would be had nobody used it since. */
interface Unused {
  readonly level: number;
  readonly depth: number;
  readonly at: number;
  readonly share: number;
}

/** What an attempt waits for until the ledger has said that it may be taken. */
export class Hold {
  state: 'waiting' | 'granted' | 'refused' = 'waiting';
  readonly answered: Promise<boolean>;
  #answer: (granted: boolean) => void = () => undefined;

  constructor(
    readonly units: number,
    readonly account: LeaseAccount,
  ) {
    this.answered = new Promise((resolve) => {
      this.#answer = resolve;
    });
  }

  settle(granted: boolean): void {
    this.state = granted ? 'granted' : 'refused';
    this.#answer(granted);
  }

  /** Nobody waits for it any more. */
  cancel(): void {
    this.account.cancel(this);
  }
}

/**
 * One limit of a quota that many processes share. The view answers at once; what it lets through is covered by a lease,
 * taken from the ledger in one step, so that most calls cost no round trip. A call that finds the lease used up waits
 * for the next one.
 */
export class LeaseAccount {
  readonly #view: LeaseView;
  readonly #ledger: LeaseLedger;
  #mode: ClusterMode = 'starting';
  #members = 1;
  #terms: LeaseTerms;
  /** Units in hand that nobody has reserved, and what the ledger took for them. */
  #credit = 0;
  #paid = 0;
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
  #refusedAt = -Infinity;
  #pausedUntil = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Without Redis: what would be left had nothing been used since, and this process's share of everything. */
  #unused: Unused | undefined;
  /** The ledger has not been heard since the start. */
  #isNew = true;
  #onAnswer: () => void = () => undefined;
  /** Resolves when the ledger has told its level, or can't be asked. */
  readonly answered = new Promise<void>((resolve) => {
    this.#onAnswer = resolve;
  });
  /** Units used without Redis that it has been told of since. */
  #told = 0;
  #rejoin: ReturnType<typeof setTimeout> | undefined;

  constructor(view: LeaseView, ledger: LeaseLedger, terms: LeaseTerms) {
    this.#view = view;
    this.#ledger = ledger;
    this.#terms = terms;
  }

  /** Covers what the view has just given out. Undefined where the lease in hand does: nothing is to be waited for. */
  reserve(units: number): Hold | undefined {
    if (this.#isLocal) return undefined;
    this.#usedAt = performance.now();
    if (this.#holds.length === 0 && this.#credit + EPSILON >= units) {
      this.#spend(units);
      return undefined;
    }
    const hold = new Hold(units, this);
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
    if (this.#isLocal || this.#pausedUntil <= now) return viewMs;
    // The lease in hand is ours, whatever the ledger holds.
    if (this.#holds.length === 0 && this.#credit + EPSILON >= units) return 0;
    return Math.max(viewMs, this.#pausedUntil - now);
  }

  cancel(hold: Hold): void {
    const at = this.#holds.indexOf(hold);
    if (at < 0) return;
    this.#holds.splice(at, 1);
    hold.settle(false);
    this.#view.put(hold.units, performance.now());
  }

  /** What had been covered is not needed. */
  returned(units: number): void {
    if (this.#isLocal) return;
    this.#credit += units;
    this.#paid += this.#toLedger(units);
    this.#serve();
    this.#touch();
  }

  /** More was used than had been covered. */
  overdrawn(units: number): void {
    if (this.#isLocal) return;
    const covered = Math.min(units, this.#credit);
    this.#spend(covered);
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
    const unused = this.#unused;
    if (!unused) return this.#toLedger(Math.min(this.#view.depth, this.#ledgerLevel(now)));
    return this.#toLedger(Math.min(unused.depth, this.#unusedLevel(now) / unused.share));
  }

  async balance(): Promise<number> {
    return Math.floor(((await this.#ledger.level()) / SCALE) * this.#view.limitShare);
  }

  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#rejoin);
    this.#timer = this.#rejoin = undefined;
    this.#back += Math.floor(this.#paid);
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
    return this.#view.level(now) + this.#waiting - this.#credit;
  }

  get #leaseUnits(): number {
    const { limit, depthMs } = this.#terms;
    return (leaseMs(depthMs, this.#members) * limit * this.#view.limitShare) / 60_000;
  }

  #toLedger(units: number): number {
    return Math.ceil((units * SCALE) / this.#view.limitShare);
  }

  /** After refusals that no header explains each unit costs more: that is how the rate is lowered for everybody. */
  #price(units: number): number {
    return Math.ceil((units * SCALE) / (this.#view.limitShare * this.#view.slowdown));
  }

  #spend(units: number): void {
    const left = Math.max(0, this.#credit - units);
    this.#paid = this.#credit > 0 ? (this.#paid * left) / this.#credit : 0;
    this.#credit = left;
  }

  #serve(): void {
    for (let hold = this.#holds[0]; hold; hold = this.#holds[0]) {
      if (this.#credit + EPSILON < hold.units) return;
      this.#spend(hold.units);
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
    const isNews = this.#unused !== undefined || this.#isNew;
    if (wanted === 0 && owed === 0 && shift === 0 && back === 0 && !isNews) return;
    this.#isAsking = true;
    this.#owed = 0;
    this.#shift = 0;
    this.#back = 0;
    const price = this.#price(wanted);
    const epoch = this.#epoch;
    let left: number;
    try {
      left = await this.#ledger.take(price + this.#toLedger(owed) - this.#toLedger(shift) - back);
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
    this.#unused = undefined;
    this.#told = 0;
    this.#isNew = false;
    this.#onAnswer();
    this.#heard({ wanted, price, shift, left, asked });
    this.#isAsking = false;
    this.#touch();
    if (this.#holds.length > 0) void this.#ask();
  }

  /** The holds' units, and a lease on top where the ledger has that much to spare. */
  #wanted(now: number): number {
    if (this.#holds.length === 0) return 0;
    const need = Math.max(0, this.#waiting - this.#credit);
    const room = this.#ledgerLevel(now) - this.#view.spare - need;
    return need + Math.max(0, Math.min(this.#leaseUnits, room));
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
    this.#credit += wanted - refused;
    this.#paid += price - refusedPrice;
    this.#serve();
    const now = performance.now();
    const late = this.#holds.filter((hold) => asked.has(hold));
    this.#holds = this.#holds.filter((hold) => !asked.has(hold));
    this.#view.agree(left + refused + tooLow - tooHigh + this.#credit - this.#waiting, now);
    if (late.length > 0) this.#refusedAt = now;
    if (this.#members > 1 && left + refused < spare + this.#leaseUnits) {
      // The ledger is drained, and others draw on it too: who asks as soon as something might be there gets it in ever
      // smaller parts.
      const first = late[0]?.units ?? 0;
      const pauseMs = Math.min(MOST_PAUSE_MS, Math.max(PAUSE_MS, first / 2 / this.#view.rate));
      this.#pausedUntil = now + pauseMs;
    }
    for (const hold of late) hold.settle(false);
  }

  /** Gives back what is in hand beyond a lease, and all of it after a while without use. */
  #flush(): void {
    const now = performance.now();
    if (this.#mode === 'shared' && this.#holds.length === 0) {
      const isIdle = now - this.#usedAt >= IDLE_MS && now - this.#refusedAt >= GATHERING_MS;
      const isGathering = now - this.#refusedAt < GATHERING_MS;
      const keeps = isIdle ? 0 : isGathering ? this.#credit : this.#leaseUnits;
      if (this.#credit > keeps) {
        const before = this.#paid;
        this.#spend(this.#credit - keeps);
        this.#back += before - this.#paid;
      }
    }
    void this.#ask();
    this.#touch();
  }

  #touch(): void {
    const isDue =
      this.#credit > 0 || this.#owed > 0 || this.#shift !== 0 || this.#back >= 1 || this.#holds.length > 0;
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
    const { depth } = this.#view;
    // The others may still reach Redis, or may have taken what we haven't heard of: of a full bucket only a part.
    const ledger = Math.min(this.#ledgerLevel(now), MOST_DIVIDED * depth);
    const share = this.#mode === 'local-share' ? 1 / this.#members : 1;
    // What Redis has not been told yet is told with the rest when it is back.
    const untold = this.#owed - this.#shift - this.#back / SCALE;
    this.#unused = { level: ledger * share + untold, depth, at: now, share };
    this.#view.setShare(share, ledger * share + this.#credit - this.#waiting, now);
    this.#credit = this.#paid = this.#owed = this.#shift = this.#back = 0;
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
    const used = this.#unusedLevel(now) - this.#view.level(now);
    const news = used - this.#told;
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
        this.#told += news;
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

  #unusedLevel(now: number): number {
    if (!this.#unused) return this.#ledgerLevel(now);
    const { level, depth, at, share } = this.#unused;
    const refill = ((this.#terms.limit * this.#view.limitShare) / 60_000) * (now - at) * share;
    return Math.min(depth * share, level + refill);
  }
}
