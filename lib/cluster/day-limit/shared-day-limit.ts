import { HOUR_MS, HourlyCounts, msUntilFreed } from '../../util/hourly-counts';
import { startTimer, type Timer } from '../../util/timers';
import type { ClusterMode } from '../options';
import { GrantQueue, type GrantRequest } from '../quota-lease/grant-request';
import { CLOSED_RETRY_MS, FLUSH_MS } from '../quota-lease/lease-terms';
import type { DayCounter, DayReply, DayRequest, DayVersion } from './day-counter';

/** Claimed units go back if the process has used nothing for this long. */
const IDLE_MS = 1_000;
/** After an outage a process keeps to its share for this long, until all peers have reported what they used. */
const REJOIN_MS = 1_000;
/** How old the totals may be while the limit is used up: peers may have given units back. */
const STALE_MS = 1_000;
/** A process claims ahead what it uses in this time, and at most this share of the limit together with its peers. */
const AHEAD_MS = 500;
const MAX_AHEAD_SHARE = 0.01;
/** The shortest time between two claims for which no call waits. */
const CLAIM_PAUSE_MS = 50;

/**
 * A limit per day that many processes share. A process claims units in Redis before it uses them, for the hour in which
 * it uses them, so all processes together stay within the limit in any 24 hours; only usage above a call's estimate comes
 * on top. In an outage each process uses its share of what was left, and reports it afterwards.
 */
export class SharedDayLimit {
  limit: number;
  readonly #counter: DayCounter;
  readonly #onCapacity: () => void;
  /** What this process has used. Where it is less than confirmed, the rest is its to use: its credit. */
  readonly #used = new HourlyCounts();
  /** What Redis has counted for this process, and for all processes, as of the last reply. */
  readonly #confirmed = new HourlyCounts();
  readonly #total = new HourlyCounts();
  #known: DayVersion | undefined;
  #mode: ClusterMode = 'starting';
  #members = 1;
  readonly #requests = new GrantQueue();
  #isUpdating = false;
  /** Counts outages: a reply to a request of before one is ignored. */
  #epoch = 0;
  #isClosing = false;
  #repliedAt = -Infinity;
  #usedAt = -Infinity;
  /** What was claimed ahead last, when, and what was used since. */
  #ahead = 0;
  #claimedAt = -Infinity;
  #usedSinceClaim = 0;
  #flushTimer: Timer | undefined;
  #rejoinTimer: Timer | undefined;
  #resolveReady: () => void = () => undefined;
  /** Resolves when Redis has replied, or is known to be unreachable. */
  readonly ready = new Promise<void>((resolve) => {
    this.#resolveReady = resolve;
  });

  /** @param onCapacity Called when more is left than before. */
  constructor(counter: DayCounter, limit: number, onCapacity: () => void) {
    this.#counter = counter;
    this.limit = limit;
    this.#onCapacity = onCapacity;
  }

  left(now: number): number {
    const hour = this.#hour(now);
    const share = Math.floor(this.#share * (this.#wholeLimit - this.#total.sum(hour)));
    return share + this.#confirmed.sum(hour) - this.#used.sum(hour);
  }

  waitMs(units: number, now: number): number {
    if (this.#mode === 'closed') return CLOSED_RETRY_MS;
    const missing = Math.ceil(units) - this.left(now);
    if (missing <= 0) return 0;
    if (!this.#isLocal && now - this.#repliedAt > STALE_MS) void this.#update();
    const unitsOf = (hour: number): number =>
      this.#share * this.#total.at(hour) + this.#used.at(hour) - this.#confirmed.at(hour);
    return msUntilFreed(missing, unitsOf, this.#clock(now));
  }

  /** Undefined if the units may be used now; otherwise the call has to wait for the decision. */
  take(units: number, now: number): GrantRequest | undefined {
    const whole = Math.ceil(units);
    const hour = this.#hour(now);
    this.#usedAt = now;
    if (this.#isLocal) {
      this.#used.add(hour, whole);
      return undefined;
    }
    this.#usedSinceClaim += whole;
    if (this.#requests.isEmpty && this.#credit(hour) >= whole) {
      this.#used.add(hour, whole);
      const isLow = this.#credit(hour) < this.#ahead / 2;
      if (isLow && now - this.#claimedAt >= CLAIM_PAUSE_MS) void this.#update();
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

  setMembers(members: number): void {
    this.#members = Math.max(1, members);
  }

  setMode(mode: ClusterMode): void {
    if (mode === this.#mode) return;
    const wasLocal = this.#isLocal;
    this.#mode = mode;
    clearTimeout(this.#rejoinTimer);
    this.#rejoinTimer = undefined;
    if (mode !== 'shared') {
      if (!wasLocal) this.#startOutage();
      return;
    }
    if (wasLocal) {
      this.#rejoinTimer = startTimer(() => {
        this.#rejoinTimer = undefined;
        this.#scheduleFlush();
        this.#onCapacity();
      }, REJOIN_MS).unref();
    }
    void this.#update();
  }

  /** A peer has published the total of all processes. */
  onPublishedTotal(hour: number, sum: number): void {
    const now = this.#hour(performance.now());
    const more = sum - this.#total.sum(now);
    if (hour === now && more > 0) this.#total.add(now, more);
  }

  close(): void {
    clearTimeout(this.#flushTimer);
    clearTimeout(this.#rejoinTimer);
    this.#isClosing = true;
    for (const request of this.#requests.drain()) request.decide(false);
    if (this.#hasUnreported()) void this.#update();
    this.#resolveReady();
  }

  get #wholeLimit(): number {
    return Math.min(Number.MAX_SAFE_INTEGER, Math.floor(this.limit));
  }

  get #isLocal(): boolean {
    return (this.#mode !== 'shared' && this.#mode !== 'starting') || this.#rejoinTimer !== undefined;
  }

  /** The part of what is left that this process may use. */
  get #share(): number {
    return this.#isLocal && this.#mode !== 'open' ? 1 / this.#members : 1;
  }

  #clock(now: number): number {
    return (this.#counter.now() ?? Date.now()) + now - performance.now();
  }

  #hour(now: number): number {
    return Math.floor(this.#clock(now) / HOUR_MS);
  }

  /** Claimed for that hour and not used. It isn't used in a later hour: it would leave the total too early. */
  #credit(hour: number): number {
    return Math.max(0, this.#confirmed.at(hour) - this.#used.at(hour));
  }

  /** The credit that is kept, because it is likely to be used soon. */
  #keptCredit(now: number): number {
    const isInUse = !this.#requests.isEmpty || now - this.#usedAt < IDLE_MS;
    return isInUse && !this.#isLocal && !this.#isClosing ? this.#credit(this.#hour(now)) : 0;
  }

  #reportedHours(): Set<number> {
    return new Set([...this.#used.hours(), ...this.#confirmed.hours()]);
  }

  #hasUnreported(): boolean {
    const now = performance.now();
    const kept = this.#keptCredit(now);
    const current = this.#hour(now);
    return [...this.#reportedHours()].some(
      (hour) => this.#used.at(hour) + (hour === current ? kept : 0) !== this.#confirmed.at(hour),
    );
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
    if (this.#isUpdating || this.#mode !== 'shared') return;
    this.#isUpdating = true;
    const epoch = this.#epoch;
    const leftBefore = this.left(performance.now());
    const waiting = this.#requests.snapshot();
    const request = this.#nextRequest();
    const reply = await this.#counter.update(request).catch(() => undefined);
    if (epoch !== this.#epoch) return;
    this.#isUpdating = false;
    if (reply) this.#applyReply(request, reply, waiting);
    if (this.#isClosing) {
      if (reply && this.#hasUnreported()) void this.#update();
      return;
    }
    if (!this.#requests.isEmpty && reply) void this.#update();
    this.#scheduleFlush();
    if (this.left(performance.now()) > leftBefore) this.#onCapacity();
  }

  #nextRequest(): DayRequest {
    const now = performance.now();
    const common = { known: this.#known, limit: this.#wholeLimit, members: this.#members };
    if (!this.#known) return { ...common, least: 0, need: 0, ahead: 0, hours: [] };
    const current = this.#hour(now);
    const kept = this.#keptCredit(now);
    const isClaiming = !this.#isLocal && !this.#isClosing;
    return {
      ...common,
      least: isClaiming ? Math.max(0, this.#requests.first - kept) : 0,
      need: isClaiming ? Math.max(0, this.#requests.units - kept) : 0,
      ahead: isClaiming && now - this.#usedAt < IDLE_MS ? this.#unitsAhead(now, kept) : 0,
      hours: [...this.#reportedHours()].map((hour) => ({
        hour,
        used: this.#used.at(hour) + (hour === current ? kept : 0),
        confirmed: this.#confirmed.at(hour),
        total: this.#total.at(hour),
      })),
    };
  }

  #unitsAhead(now: number, kept: number): number {
    const elapsedMs = Math.max(CLAIM_PAUSE_MS, now - this.#claimedAt);
    const most = (this.#wholeLimit * MAX_AHEAD_SHARE) / this.#members;
    this.#ahead = Math.floor(Math.min(most, (this.#usedSinceClaim / elapsedMs) * AHEAD_MS));
    this.#usedSinceClaim = 0;
    this.#claimedAt = now;
    return Math.max(0, this.#ahead - kept);
  }

  #applyReply(request: DayRequest, reply: DayReply, waiting: ReadonlySet<GrantRequest>): void {
    const isFirst = this.#known === undefined;
    this.#known = reply.version;
    this.#repliedAt = performance.now();
    this.#total.replace(reply.totals);
    this.#resolveReady();
    if (isFirst) {
      // Until now the hours were those of this process's clock.
      this.#used.replace([[reply.hour, this.#used.sum(-Infinity)]]);
      return;
    }
    this.#confirmed.replace(request.hours.map(({ hour, used }) => [hour, used] as const));
    this.#confirmed.add(reply.hour, reply.granted);
    this.#grantRequests();
    this.#requests.refuse(waiting);
  }

  #scheduleFlush(): void {
    const hasCredit = this.#credit(this.#hour(performance.now())) > 0;
    if (this.#mode !== 'shared' || this.#isClosing || !(hasCredit || this.#hasUnreported())) return;
    this.#flushTimer ??= startTimer(() => {
      this.#flushTimer = undefined;
      if (this.#hasUnreported()) void this.#update();
      this.#scheduleFlush();
    }, FLUSH_MS).unref();
  }

  /** Each process goes on with its share of what was left, and of what was waited for as far as that goes. */
  #startOutage(): void {
    this.#epoch++;
    this.#isUpdating = false;
    this.#resolveReady();
    const now = performance.now();
    for (const request of this.#requests.drain()) {
      const isGranted = this.#mode !== 'closed' && this.left(now) >= request.units;
      if (isGranted) this.#used.add(this.#hour(now), request.units);
      request.decide(isGranted);
    }
  }
}
