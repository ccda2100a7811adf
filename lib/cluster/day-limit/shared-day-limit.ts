import { HOUR_MS, HourlyCounts, msUntilFreed } from '../../util/hourly-counts';
import { startTimer, type Timer } from '../../util/timers';
import { GrantQueue, type GrantRequest } from '../quota-lease/grant-request';
import { CLOSED_RETRY_MS, FLUSH_MS } from '../quota-lease/lease-terms';
import { SharedLimit } from '../shared-limit';
import type { DayCounter, DayReply, DayRequest } from './day-counter';

/** Claimed units go back if the process has used nothing for this long. */
const IDLE_MS = 1_000;
/** How old the totals may be while the limit is used up: peers may have given units back. */
const STALE_MS = 1_000;
/** All processes together claim ahead at most this share of the limit. */
const MAX_AHEAD_SHARE = 0.01;
/** The shortest time between two claims for which no call waits. */
const CLAIM_PAUSE_MS = 50;

/** What Redis has counted as of one reply: for this process, and for all. */
interface Counted {
  readonly own: HourlyCounts;
  readonly total: HourlyCounts;
}

interface SentRequest extends DayRequest {
  readonly waiting: ReadonlySet<GrantRequest>;
}

/**
 * A limit per day that many processes share. A process claims units in Redis before it uses them, for the hour in which
 * it uses them, so all processes together stay within the limit in any 24 hours; only usage above a call's estimate comes
 * on top. In an outage each process uses its share of what was left, and reports it afterwards.
 */
export class SharedDayLimit extends SharedLimit {
  readonly #counter: DayCounter;
  readonly #onCapacity: () => void;
  /** What this process has used. Where Redis has counted more for it, the rest is its to use: its credit. */
  readonly #used = new HourlyCounts();
  #counted: Counted = { own: new HourlyCounts(), total: new HourlyCounts() };
  /** What was counted before an outage, until all peers have reported: what was left then is divided. */
  #outage: Counted | undefined;
  readonly #requests = new GrantQueue();
  /** The request that Redis has not answered. */
  #sent: SentRequest | undefined;
  #isUpdating = false;
  #requestCount = 0;
  #repliedAt = -Infinity;
  #usedAt = -Infinity;
  #isBusy = false;
  #flushTimer: Timer | undefined;

  /** @param onCapacity Called when more is left than before. */
  constructor(
    counter: DayCounter,
    public limit: number,
    onCapacity: () => void,
  ) {
    super();
    this.#counter = counter;
    this.#onCapacity = onCapacity;
  }

  left(now: number): number {
    const hour = this.#hour(now);
    const { own, total } = this.#outage ?? this.#counted;
    return (
      Math.floor(this.share * (this.#wholeLimit - total.sum(hour))) + own.sum(hour) - this.#used.sum(hour)
    );
  }

  waitMs(units: number, now: number): number {
    if (this.isBlocked) return CLOSED_RETRY_MS;
    const missing = Math.ceil(units) - this.left(now);
    if (missing <= 0) return 0;
    if (now - this.#repliedAt > STALE_MS && !this.#outage) void this.#update();
    const { own, total } = this.#outage ?? this.#counted;
    const unitsOf = (hour: number): number =>
      this.share * total.at(hour) + this.#used.at(hour) - own.at(hour);
    return msUntilFreed(missing, unitsOf, this.#clock(now));
  }

  /** Undefined if the units may be used now; otherwise the call has to wait for the decision. */
  take(units: number, now: number): GrantRequest | undefined {
    const whole = Math.ceil(units);
    const hour = this.#hour(now);
    // A process with few calls would return what it has claimed ahead.
    this.#isBusy = now - this.#usedAt < IDLE_MS;
    this.#usedAt = now;
    if (this.#outage) {
      this.#used.add(hour, whole);
      return undefined;
    }
    if (this.#requests.isEmpty && this.#credit(hour) >= whole) {
      this.#used.add(hour, whole);
      const isLow = this.#isBusy && this.#credit(hour) < this.#mostAhead / 2;
      if (isLow && now - this.#repliedAt >= CLAIM_PAUSE_MS) void this.#update();
      this.#scheduleFlush();
      return undefined;
    }
    // After this turn, so that one request to Redis serves all calls of the turn.
    if (this.#requests.isEmpty) queueMicrotask(() => void this.#update());
    return this.#requests.add(whole);
  }

  /** Gives back units that were taken at that time. */
  put(units: number, now: number, takenAt: number): void {
    this.#used.sum(this.#hour(now));
    this.#used.subtract(this.#hour(takenAt), Math.floor(units));
    this.#grantRequests();
    this.#scheduleFlush();
  }

  /** Counts usage above the estimate, for which nothing was taken. */
  overdraw(units: number, now: number): void {
    this.#used.add(this.#hour(now), Math.ceil(units));
    this.#scheduleFlush();
  }

  /** A peer has published the total of all processes. */
  onPublishedTotal(hour: number, sum: number): void {
    const now = this.#hour(performance.now());
    const { total } = this.#counted;
    if (hour === now) total.add(now, Math.max(0, sum - total.sum(now)));
  }

  override close(): void {
    super.close();
    clearTimeout(this.#flushTimer);
    for (const request of this.#requests.drain()) request.decide(false);
    if (this.#hasUnreported()) void this.#update();
  }

  protected override startSharing(): void {
    void this.#update();
  }

  protected override startOutage(): void {
    this.#outage = this.#counted;
    const now = performance.now();
    for (const request of this.#requests.drain()) {
      const isGranted = !this.isBlocked && this.left(now) >= request.units;
      if (isGranted) this.#used.add(this.#hour(now), request.units);
      request.decide(isGranted);
    }
  }

  protected override reportUsage(): void {
    void this.#update();
  }

  protected override endOutage(): void {
    this.#outage = undefined;
    void this.#update();
    this.#onCapacity();
  }

  get #wholeLimit(): number {
    return Math.min(Number.MAX_SAFE_INTEGER, Math.floor(this.limit));
  }

  get #mostAhead(): number {
    return Math.floor((this.#wholeLimit * MAX_AHEAD_SHARE) / this.members);
  }

  #clock(now: number): number {
    return (this.#counter.now() ?? Date.now()) + now - performance.now();
  }

  #hour(now: number): number {
    return Math.floor(this.#clock(now) / HOUR_MS);
  }

  /** Claimed for that hour and not used. It isn't used in a later hour: it would leave the total too early. */
  #credit(hour: number): number {
    return Math.max(0, this.#counted.own.at(hour) - this.#used.at(hour));
  }

  /** Whether credit is likely to be used soon, and kept. */
  #isInUse(now: number): boolean {
    if (this.isLocal) return false;
    return !this.#requests.isEmpty || now - this.#usedAt < IDLE_MS;
  }

  #keptCredit(now: number): number {
    return this.#isInUse(now) ? this.#credit(this.#hour(now)) : 0;
  }

  #hasUnreported(): boolean {
    const now = performance.now();
    const hour = this.#hour(now);
    return this.#used.sum(hour) + this.#keptCredit(now) !== this.#counted.own.sum(hour);
  }

  #grantRequests(): void {
    const hour = this.#hour(performance.now());
    this.#requests.grant((units) => {
      const isCovered = this.#credit(hour) >= units;
      if (isCovered) this.#used.add(hour, units);
      return isCovered;
    });
  }

  /** Reports what has changed and claims what is waited for. One request at a time. */
  async #update(): Promise<void> {
    if (this.#isUpdating || !this.isReachable) return;
    this.#isUpdating = true;
    const leftBefore = this.left(performance.now());
    const request = (this.#sent ??= this.#nextRequest());
    const reply = await this.#counter.update(request).catch(() => undefined);
    this.#isUpdating = false;
    if (reply) {
      this.#applyReply(request, reply);
      if (!this.#requests.isEmpty || (this.isClosed && this.#hasUnreported())) void this.#update();
    }
    this.#scheduleFlush();
    if (this.left(performance.now()) > leftBefore) this.#onCapacity();
  }

  #nextRequest(): SentRequest {
    const now = performance.now();
    const current = this.#hour(now);
    const { own, total } = this.#counted;
    const kept = this.#keptCredit(now);
    const hours = new Set([...this.#used.hours(), ...own.hours(), ...total.hours()]);
    return {
      number: ++this.#requestCount,
      limit: this.#wholeLimit,
      least: Math.max(0, this.#requests.first - kept),
      need: Math.max(0, this.#requests.units - kept),
      ahead: this.#isBusy && this.#isInUse(now) ? Math.max(0, this.#mostAhead - kept) : 0,
      members: this.members,
      hours: [...hours].map((hour) => {
        const used = this.#used.at(hour) + (hour === current ? kept : 0);
        return [hour, used - own.at(hour), total.at(hour)];
      }),
      waiting: this.#requests.snapshot(),
    };
  }

  #applyReply({ hours, waiting }: SentRequest, { hour, granted, totals }: DayReply): void {
    const own = new HourlyCounts(hours.map(([hour, change]) => [hour, this.#counted.own.at(hour) + change]));
    own.add(hour, granted);
    this.#counted = { own, total: new HourlyCounts(totals) };
    this.#sent = undefined;
    this.#repliedAt = performance.now();
    this.setReady();
    this.#grantRequests();
    this.#requests.refuse(waiting);
  }

  #scheduleFlush(): void {
    if (this.#flushTimer || !this.isReachable || this.isClosed) return;
    if (this.#credit(this.#hour(performance.now())) === 0 && !this.#hasUnreported()) return;
    this.#flushTimer = startTimer(() => {
      this.#flushTimer = undefined;
      if (this.#hasUnreported()) void this.#update();
      this.#scheduleFlush();
    }, FLUSH_MS).unref();
  }
}
