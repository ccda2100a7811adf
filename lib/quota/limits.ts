import type { GrantRequest } from '../cluster/quota-lease/grant-request';
import { Bucket, type BucketOptions, type BucketSnapshot } from './bucket';
import { CERTAIN_SHARE, type Cost, type Dimension, unitsOf, type Windows } from './cost';
import type { DayLimit } from './day-limit';
import type { LimiterStore, SharedLimiter } from './limiter';
import { type Taker, Turns } from './turns';

/** A limit that one call alone exceeds. */
export interface ExceededLimit {
  readonly limit: string;
  readonly units: number;
  readonly allowed: number;
}

/** One limit of a quota, for example its tokens per minute. */
export interface QuotaLimit {
  readonly dimension: Dimension;
  /** Such as 'tokens per minute'. */
  readonly name: string;
  /** The units that one call may need at most. */
  readonly allowed: number;
  /** Called after each change of its level, its limit or its claims. */
  onChange: () => void;
  /** 0 to 1; 0 for a day. */
  usedShare(now: number): number;
  /** The units that fit now, whoever takes them; Infinity if any number does. */
  room(now: number): number;
  /** Units left; below zero while a debt is paid. */
  left(now: number): number;
  /** Milliseconds until the units fit; Infinity if they never do. */
  waitMs(units: number, now: number, taker: Taker): number;
  /** Those that wait for these units come before others at their turn. */
  claim(units: number, now: number, taker: Taker): void;
  /** The output tokens that it can hold at most; Infinity if it counts none. */
  outputDepth(now: number): number;
  /** Takes units. Returns a request if it must wait for the answer of Redis. */
  take(units: number, now: number, taker: Taker): GrantRequest | undefined;
  /** Gives back units that were taken at that time. */
  put(units: number, now: number, takenAt: number): void;
  /** Takes more than an attempt had taken at first. */
  overdraw(units: number, now: number): void;
  /** Takes units whether they fit or not, or gives them back if negative. Resolves to what is left. */
  adjust(units: number, now: number): number | Promise<number>;
  /** No job of other code waits for it any more. */
  endJobs(): void;
  close(): void;
}

/** The levels when an attempt was sent. */
export type QuotaSnapshot = Partial<Record<Dimension, BucketSnapshot>>;

/** What an attempt had taken when it was sent, and the levels then. */
export interface SentAttempt {
  readonly snapshot: QuotaSnapshot;
  readonly cost: Cost;
}

/** A limit per minute: the bucket that decides, and in a cluster the limiter in Redis behind it. */
export class MinuteLimit implements QuotaLimit {
  readonly name: string;
  readonly #id: string;
  readonly #store: LimiterStore;
  readonly #bucket: Bucket;
  /** In a cluster only. */
  readonly #limiter: SharedLimiter | undefined;
  /** Once jobs of other code have waited for it. */
  #turns: Turns | undefined;
  onChange: () => void = () => undefined;

  /** @param quota The name of its quota. */
  constructor(
    quota: string,
    readonly dimension: Dimension,
    options: BucketOptions,
    store: LimiterStore,
  ) {
    this.name = `${dimension} per minute`;
    this.#id = `${quota}:${dimension}`;
    this.#store = store;
    this.#bucket = new Bucket(options, (units) => this.#limiter?.correct(units));
    this.#limiter = store.open(this.#id, this.#bucket, this.#terms(options));
  }

  configure(options: BucketOptions): void {
    this.#bucket.configure(options);
    this.#store.configure(this.#id, this.#terms(options));
  }

  /** Not the limit in the headers: it may be wrong, and it is forgotten. A single request is never too large. */
  get allowed(): number {
    return this.dimension === 'requests' ? Infinity : this.#bucket.configuredLimit;
  }

  /** The refill, in units per millisecond. */
  get rate(): number {
    return this.#bucket.rate;
  }

  left(now: number): number {
    // A level that lacks a rounding error counts as whole.
    return Math.floor(this.#bucket.level(now) + 1e-9);
  }

  room(now: number): number {
    // Whether units fit may depend on whose turn it is.
    if (this.#turns) return 0;
    const level = this.#bucket.level(now);
    // A call larger than the depth starts on a full bucket.
    return level >= this.#bucket.depth ? Infinity : level - this.#bucket.headroom;
  }

  usedShare(now: number): number {
    return Math.max(0, 1 - this.#bucket.level(now) / this.#bucket.depth);
  }

  waitMs(units: number, now: number, taker: Taker): number {
    const needed = this.#turns ? units + this.#turns.claimedBefore(taker, now) : units;
    const bucketWaitMs = this.#bucket.waitMs(needed, now);
    return this.#limiter ? this.#limiter.waitMs(needed, bucketWaitMs, now) : bucketWaitMs;
  }

  claim(units: number, now: number, taker: Taker): void {
    if (taker === 'jobs') this.#turns ??= new Turns();
    this.#turns?.claim(taker, units, now);
    this.onChange();
    this.#limiter?.prefetch(units, now);
  }

  endJobs(): void {
    this.#turns?.endClaim('jobs');
  }

  outputDepth(): number {
    return this.#countsOutput ? this.#bucket.depth : Infinity;
  }

  take(units: number, now: number, taker: Taker): GrantRequest | undefined {
    this.#bucket.take(units, now);
    this.onChange();
    this.#turns?.recordTaken(taker, units, now);
    return this.#limiter?.reserve(units);
  }

  put(units: number, now: number): void {
    this.#bucket.put(units, now);
    this.onChange();
    this.#limiter?.refund(units);
  }

  overdraw(units: number, now: number): void {
    this.#bucket.take(units, now);
    this.onChange();
    this.#limiter?.overdraw(units);
  }

  adjust(units: number, now: number): number | Promise<number> {
    if (units > 0) this.overdraw(units, now);
    else if (units < 0) this.put(-units, now);
    return this.left(now);
  }

  /** @param pendingOutput Output tokens reserved by attempts that are still running. */
  snapshot(now: number, pendingOutput: number): BucketSnapshot {
    return this.#bucket.snapshot(now, this.#countsOutput ? pendingOutput : 0);
  }

  /** Corrects the level from the headers of an answer. @param served What its attempt certainly took: the prompt. */
  correct(sent: QuotaSnapshot, windows: Windows, served: Cost, now: number): void {
    const { limit, remaining } = windows[this.dimension] ?? {};
    // A limit below what was just admitted can't be one per minute, and says nothing about what is left either.
    if (limit !== undefined && limit < CERTAIN_SHARE * unitsOf(this.dimension, served)) return;
    if (limit !== undefined && limit > 0) this.#bucket.followLimit(limit);
    const snapshot = sent[this.dimension];
    if (remaining !== undefined && snapshot) this.#bucket.correct(snapshot, remaining, now);
    this.onChange();
  }

  /**
   * A 429. What its headers show is left; without any headers nothing is left, and the real limit is lower than the
   * configured one. @param attempt The refused attempt, whose cost has been given back.
   */
  recordRefusal(windows: Windows | undefined, now: number, attempt: SentAttempt | undefined): void {
    this.onChange();
    if (windows === undefined) {
      this.#bucket.recordRefusal(now);
      return;
    }
    const remaining = windows[this.dimension]?.remaining;
    if (remaining === undefined) return;
    const units = attempt && unitsOf(this.dimension, attempt.cost);
    this.#bucket.recordRefusalWithRemaining(remaining, now, attempt?.snapshot[this.dimension], units);
  }

  close(): void {
    this.#limiter?.close();
  }

  get #countsOutput(): boolean {
    return this.dimension === 'tokens' || this.dimension === 'output';
  }

  #terms({ burstSeconds }: BucketOptions): { limit: number; depthMs: number } {
    return { limit: this.#bucket.limit, depthMs: burstSeconds * 1_000 };
  }
}

/** A limit for any 24 hours, of requests or of all tokens. */
export class DailyLimit implements QuotaLimit {
  readonly name: string;
  readonly #day: DayLimit;
  onChange: () => void = () => undefined;

  constructor(
    quota: string,
    readonly dimension: 'requests' | 'tokens',
    limit: number,
    store: LimiterStore,
  ) {
    this.name = `${dimension} per day`;
    this.#day = store.openDayLimit(`${quota}:${this.name}`, limit);
  }

  configure(limit: number): void {
    this.#day.limit = limit;
  }

  get allowed(): number {
    return this.dimension === 'requests' ? Infinity : this.#day.limit;
  }

  usedShare(): number {
    return 0;
  }

  room(now: number): number {
    return this.left(now);
  }

  isUntouched(now: number): boolean {
    return this.left(now) >= this.#day.limit;
  }

  left(now: number): number {
    return this.#day.left(now);
  }

  waitMs(units: number, now: number): number {
    return this.#day.waitMs(units, now);
  }

  claim(): void {
    // There are no turns: what is left of a day is enough for both sides, or for none.
  }

  endJobs(): void {
    // None are counted.
  }

  outputDepth(now: number): number {
    return this.dimension === 'tokens' ? this.left(now) : Infinity;
  }

  take(units: number, now: number): GrantRequest | undefined {
    this.onChange();
    return this.#day.take(units, now);
  }

  put(units: number, now: number, takenAt: number): void {
    this.onChange();
    this.#day.put(units, now, takenAt);
  }

  overdraw(units: number, now: number): void {
    this.onChange();
    this.#day.overdraw(units, now);
  }

  adjust(units: number, now: number): number | Promise<number> {
    if (units > 0) this.overdraw(units, now);
    else if (units < 0) this.put(-units, now, now);
    return this.left(now);
  }

  close(): void {
    this.#day.close();
  }
}
