import { randomBytes } from 'node:crypto';
import type { OutageMode } from '../cluster/options';
import { GrantQueue, type GrantRequest } from '../util/grant-request';
import { startTimer, type Timer } from '../util/timers';
import { BucketCounts, MinuteRate, msUntilFreed } from './bucket-counts';
import type { BucketEntries, BudgetCounter, BudgetReply, BudgetUpdate } from './counter';
import { FREE, type Held, RESERVED, type Room, type SpendLimit } from './spend-limit';
import type { Window } from './window';

/** The longest delay of a report of spending, and the time between requests for more units, in milliseconds. */
const FLUSH_MS = 100;
/** Intervals in milliseconds: of reports without calls, and of retries while the store is unreachable. */
const HEARTBEAT_MS = 1_000;
const RETRY_MS = 250;
/** How long a call waits before it asks again, in milliseconds, if the lease is spent and the store unreachable. */
const OUTAGE_RETRY_MS = 5_000;
/*
 * The size of the lease that a process keeps ahead, to answer at once and to continue during an outage: what it spends
 * in ten minutes, at least a few calls, and at least a twentieth of its share of the limit. The lease of a process that
 * is killed is lost until the period ends, so it must not be large.
 */
const AHEAD_MINUTES = 10;
const AHEAD_CALLS = 4;
const AHEAD_LIMIT_DIVISOR = 20;

export interface SharedSpendLimitParts {
  readonly counter: BudgetCounter;
  readonly window: Window;
  readonly limit: number;
  /** Returns what the process does while the store is unreachable. */
  readonly onOutage: () => OutageMode;
  /** Called when more of the limit may be left than before, or when its spending has changed. */
  readonly onChange: () => void;
  /** How often the process sends a report without calls, in milliseconds; less than MEMBER_MS. Default 1,000. */
  readonly heartbeatMs?: number | undefined;
}

/** What the store's last reply said. */
interface Known {
  /** What other processes have spent, by bucket; `othersHeld` are the units that they hold as leases. */
  readonly othersSpent: BucketCounts;
  readonly othersHeld: number;
  readonly totals: BucketEntries;
  readonly members: number;
  readonly isShort: boolean;
}

/**
 * A limit that many processes share. A process spends only from its lease, which the store has already counted, so all
 * processes together stay within the limit even if the store fails: while it is unreachable, each process continues
 * with its lease, or waits (`onOutage`). Only costs beyond an attempt's estimate can exceed the limit.
 */
export class SharedSpendLimit implements SpendLimit {
  limit: number;
  readonly #parts: SharedSpendLimitParts;
  readonly #member = randomBytes(6).toString('base64url');
  readonly #requests = new GrantQueue();
  /** Units that this process has spent since the store began to count it. */
  #own = new BucketCounts();
  /** The part of these units that the store has counted. */
  #counted = new BucketCounts();
  /** Units of the lease, including those that attempts in flight have reserved. */
  #held = 0;
  #reserved = 0;
  #known: Known | undefined;
  #carried: BucketEntries | undefined;
  #number = 0;
  #bucket = -Infinity;
  #starvedAt = -Infinity;
  #largest = 0;
  readonly #rate = new MinuteRate();
  #isUpdating = false;
  #isUnreachable = false;
  #isClosed = false;
  #timer: { readonly timer: Timer; readonly at: number } | undefined;

  constructor(parts: SharedSpendLimitParts) {
    this.#parts = parts;
    this.limit = parts.limit;
    void this.#update();
  }

  room(units: number): Room {
    const now = this.#roll();
    if (this.#mayUseLease(units) && this.#requests.isEmpty) return FREE;
    const spent = this.#spent(now);
    const missing = spent + units - this.limit;
    if (missing > 0 && this.#known)
      return { kind: 'spent', waitMs: msUntilFreed(missing, this.#entries(), this.#parts.window, now) };
    if (this.#isDown) return this.#outageRoom(units);
    if (!this.#known) return FREE;
    const left = this.limit - spent - this.#known.othersHeld - this.#held - this.#requests.units;
    if (left + this.#held - this.#reserved >= units) return FREE;
    this.#starvedAt = performance.now();
    this.#schedule(FLUSH_MS);
    return RESERVED;
  }

  take(units: number, isForced = false): Held {
    const bucket = this.#parts.window.bucketAt(this.#roll());
    this.#largest = Math.max(units, this.#largest);
    if (
      isForced ||
      (this.#isDown && this.#parts.onOutage() === 'open') ||
      (this.#mayUseLease(units) && this.#requests.isEmpty)
    ) {
      this.#reserve(units);
      if (this.#held - this.#reserved < this.#target / 2) this.#schedule(FLUSH_MS);
      return { units, bucket };
    }
    // Runs after this turn of the event loop, so that one update serves all attempts of the turn.
    if (this.#requests.isEmpty) queueMicrotask(() => void this.#update());
    return { units, bucket, request: this.#requests.add(units) };
  }

  settle({ units, bucket, request }: Held, used: number): void {
    request?.cancel();
    if (request && request.state !== 'granted') return;
    const now = this.#roll();
    this.#reserved -= units;
    this.#own.add(bucket, used);
    // Spent units leave the lease. Costs beyond what the attempt had reserved are also taken from it, but not from what
    // other attempts have reserved.
    this.#held = Math.max(this.#reserved, this.#held - used);
    this.#rate.add(used, now);
    this.#schedule(FLUSH_MS);
  }

  figures(): { spent: number; reserved: number } {
    return { spent: this.#spent(this.#roll()), reserved: this.#reserved };
  }

  /** Returns the lease. Resolves when the store has answered or has failed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer?.timer);
    for (const request of this.#requests.drain()) request.decide(false);
    await this.#parts.counter.update(this.#nextUpdate()).catch(() => undefined);
  }

  get #isDown(): boolean {
    return this.#isUnreachable || this.#parts.counter.state === 'down';
  }

  get #members(): number {
    return this.#known?.members ?? 1;
  }

  get #target(): number {
    const least = this.limit / (AHEAD_LIMIT_DIVISOR * this.#members);
    return Math.ceil(Math.max(least, AHEAD_MINUTES * this.#rate.perMinute, AHEAD_CALLS * this.#largest));
  }

  /** The room while the store is unreachable: what is left of the lease, always enough, or none (`onOutage`). */
  #outageRoom(units: number): Room {
    const mode = this.#parts.onOutage();
    if (mode === 'open') return FREE;
    if (mode === 'closed') return { kind: 'unconfirmed', waitMs: OUTAGE_RETRY_MS };
    return this.#held >= units ? RESERVED : { kind: 'unconfirmed', waitMs: OUTAGE_RETRY_MS };
  }

  /** Whether the lease has room for the units, and may be used. */
  #mayUseLease(units: number): boolean {
    return this.#held - this.#reserved >= units && !(this.#isDown && this.#parts.onOutage() === 'closed');
  }

  #reserve(units: number): void {
    this.#reserved += units;
    this.#held = Math.max(this.#held, this.#reserved);
  }

  #spent(now: number): number {
    const oldest = this.#parts.window.oldestAt(now);
    return this.#own.sum(oldest) + (this.#known?.othersSpent.sum(oldest) ?? 0);
  }

  #entries(): BucketEntries {
    return [...this.#own.entries(), ...(this.#known?.othersSpent.entries() ?? [])];
  }

  /**
   * Returns the current time, and changes to a new period when it begins. If that happens while the store is
   * unreachable, the process takes its share of the new budget, because no process can lease it.
   */
  #roll(): number {
    const { counter, window } = this.#parts;
    const now = counter.now();
    const bucket = window.bucketAt(now);
    if (bucket <= this.#bucket) return now;
    const isFirst = this.#bucket === -Infinity;
    this.#bucket = bucket;
    this.#largest = 0;
    if (!isFirst && window.isCalendar && this.#isDown && this.#known)
      this.#held = Math.max(this.#reserved, Math.floor(this.limit / this.#members));
    return now;
  }

  /** Reports spending and requests the units that attempts wait for. Only one update runs at a time. */
  async #update(): Promise<void> {
    if (this.#isUpdating || this.#isClosed) return;
    this.#isUpdating = true;
    const waiting = this.#requests.snapshot();
    const update = this.#nextUpdate();
    const reply = await this.#parts.counter.update(update).catch(() => undefined);
    this.#isUpdating = false;
    this.#finishUpdate(update, reply, waiting);
  }

  #finishUpdate(
    update: BudgetUpdate,
    reply: BudgetReply | undefined,
    waiting: readonly GrantRequest[],
  ): void {
    if (this.#isClosed) return;
    if (reply) this.#apply(update, reply, waiting);
    else this.#failed();
    if (reply && (!this.#requests.isEmpty || this.#carried !== undefined)) void this.#update();
    this.#schedule(reply ? (this.#parts.heartbeatMs ?? HEARTBEAT_MS) : RETRY_MS);
    this.#parts.onChange();
  }

  #nextUpdate(): BudgetUpdate {
    const now = this.#roll();
    const { window } = this.#parts;
    const { isShort = false } = this.#known ?? {};
    if (isShort || this.#isClosed) this.#held = this.#reserved;
    const free = this.#held - this.#reserved;
    const target = this.#target;
    const oldest = window.oldestAt(now);
    this.#own.sum(oldest);
    // [] if the store has been unreachable and has never replied: it may have lost what other processes have spent and
    // hold.
    const carried = this.#carried ?? (!this.#known && this.#parts.counter.hasBeenDown ? [] : undefined);
    return {
      member: this.#member,
      // Every update until the first reply is number 1: a higher number would mean a process that the store has known.
      number: this.#known ? ++this.#number : (this.#number = 1),
      limit: this.limit,
      bucket: this.#bucket,
      oldest,
      held: this.#held,
      spent: this.#own.entries(),
      least: Math.max(0, this.#requests.first - free),
      need: Math.max(0, this.#requests.units - free),
      ahead: isShort || free >= target / 2 ? 0 : target - free,
      isStarved: performance.now() - this.#starvedAt < 2 * FLUSH_MS,
      ...(carried ? { carried } : {}),
      members: this.#known?.members ?? 0,
      isLeaving: this.#isClosed,
    };
  }

  #apply(update: BudgetUpdate, reply: BudgetReply, waiting: readonly GrantRequest[]): void {
    this.#isUnreachable = false;
    if (reply.isLost) {
      // What the store had counted is part of what is carried over. This process reports only what it has spent since.
      this.#carried = this.#known?.totals ?? [];
      for (const [bucket, units] of this.#counted.entries()) this.#own.add(bucket, -units);
      this.#counted = new BucketCounts();
      return;
    }
    this.#carried = undefined;
    const { granted, held, spent, members, isShort } = reply;
    this.#held += granted;
    this.#counted = new BucketCounts(update.spent);
    const othersSpent = new BucketCounts(spent);
    for (const [bucket, units] of update.spent) othersSpent.add(bucket, -units);
    const othersHeld = Math.max(0, held - update.held - granted);
    this.#known = { othersSpent, othersHeld, totals: spent, members, isShort };
    this.#requests.grant((units) => {
      if (this.#held - this.#reserved < units) return false;
      this.#reserved += units;
      return true;
    });
    this.#requests.refuse(waiting);
  }

  /** Handles a failed update. Before the first connection attempts go on waiting; afterwards `onOutage` decides. */
  #failed(): void {
    if (this.#parts.counter.state === 'idle') return;
    this.#isUnreachable = true;
    for (const request of this.#requests.drain()) {
      const isGranted = this.#parts.onOutage() === 'open' || this.#mayUseLease(request.units);
      if (isGranted) this.#reserve(request.units);
      request.decide(isGranted);
    }
  }

  /** Runs the next update after `ms` milliseconds, or earlier if one is already scheduled. */
  #schedule(ms: number): void {
    const at = performance.now() + ms;
    if (this.#isClosed || (this.#timer && this.#timer.at <= at)) return;
    clearTimeout(this.#timer?.timer);
    const timer = startTimer(() => {
      this.#timer = undefined;
      void this.#update();
    }, ms).unref();
    this.#timer = { timer, at };
  }
}
