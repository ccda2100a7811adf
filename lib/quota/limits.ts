import type { GrantRequest } from '../cluster/quota-lease/grant-request';
import type { WindowReading } from '../provider/rate-limits/rate-limit-headers';
import { Bucket, type BucketOptions, type BucketSnapshot } from './bucket';
import { type Cost, type Dimension, unitsOf } from './cost';
import type { DayLimit } from './day-limit';
import type { Limiter, LimiterStore } from './limiter';

/** The share of an estimated prompt that is certain: estimates err upwards. */
export const CERTAIN_SHARE = 0.7;

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
  /** Units left; below zero while a debt is paid. */
  left(now: number): number;
  /** Milliseconds until the cost fits; Infinity if it never does. */
  waitMs(cost: Cost, now: number): number;
  /** Undefined if a call of this cost can be served at all. */
  exceededBy(cost: Cost): ExceededLimit | undefined;
  /** The output tokens that it can hold at most; Infinity if it counts none. */
  outputDepth(now: number): number;
  /** Takes the cost. Returns a request if it must wait for the answer of Redis. */
  take(cost: Cost, now: number): GrantRequest | undefined;
  /** Gives back what was taken at that time, because it was never granted. */
  undo(cost: Cost, now: number, takenAt: number): void;
  /** Gives tokens back; a negative amount takes more. @param requests Requests to give back. */
  adjust(back: Cost, requests: 0 | 1, now: number, takenAt: number): void;
  close(): void;
}

/** A limit per minute: the bucket that decides, and the limiter that keeps its account. */
export class MinuteLimit implements QuotaLimit {
  readonly name: string;
  readonly #id: string;
  readonly #store: LimiterStore;
  readonly #bucket: Bucket;
  readonly #limiter: Limiter;

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
    this.#bucket = new Bucket(options, (units) => this.#limiter.correct(units));
    const { burstSeconds } = options;
    this.#limiter = store.open(this.#id, this.#bucket, { limit: this.#bucket.limit, burstSeconds });
  }

  configure(options: BucketOptions): void {
    this.#bucket.configure(options);
    const { burstSeconds } = options;
    this.#store.configure(this.#id, { limit: this.#bucket.limit, burstSeconds });
  }

  /** The refill, in units per millisecond. */
  get rate(): number {
    return this.#bucket.rate;
  }

  left(now: number): number {
    // A level that lacks a rounding error counts as whole.
    return Math.floor(this.#bucket.level(now) + 1e-9);
  }

  /** 0 to 1. */
  usedShare(now: number): number {
    return Math.max(0, 1 - this.#bucket.level(now) / this.#bucket.depth);
  }

  waitMs(cost: Cost, now: number): number {
    const units = unitsOf(this.dimension, cost);
    const bucketWaitMs = this.#bucket.waitMs(units, now);
    return this.#limiter.waitMs ? this.#limiter.waitMs(units, bucketWaitMs, now) : bucketWaitMs;
  }

  /** The next call of a queue waits for this cost: a limiter in Redis may fetch it ahead of time. */
  prefetch(cost: Cost, now: number): void {
    this.#limiter.prefetch?.(unitsOf(this.dimension, cost), now);
  }

  exceededBy(cost: Cost): ExceededLimit | undefined {
    if (this.dimension === 'requests') return undefined;
    const units = unitsOf(this.dimension, cost);
    // Not the limit in the headers: it may be wrong, and it is forgotten.
    const allowed = this.#bucket.configuredLimit;
    return units <= allowed ? undefined : { limit: this.name, units, allowed };
  }

  outputDepth(): number {
    return this.dimension === 'tokens' || this.dimension === 'output' ? this.#bucket.depth : Infinity;
  }

  take(cost: Cost, now: number): GrantRequest | undefined {
    const units = unitsOf(this.dimension, cost);
    this.#bucket.take(units, now);
    return this.#limiter.reserve(units);
  }

  undo(cost: Cost, now: number): void {
    this.#put(unitsOf(this.dimension, cost), now);
  }

  adjust(back: Cost, requests: 0 | 1, now: number): void {
    const units = this.dimension === 'requests' ? requests : unitsOf(this.dimension, back);
    if (units > 0) this.#put(units, now);
    if (units >= 0) return;
    this.#bucket.take(-units, now);
    this.#limiter.overdraw(-units);
  }

  /** @param pendingOutput Output tokens reserved by attempts that are still running. */
  snapshot(now: number, pendingOutput: number): BucketSnapshot {
    const countsOutput = this.dimension === 'tokens' || this.dimension === 'output';
    return this.#bucket.snapshot(now, countsOutput ? pendingOutput : 0);
  }

  /**
   * Corrects the level from the headers of an answer.
   * @param snapshot Taken when its attempt was sent.
   * @param served What that attempt certainly took: its prompt.
   */
  correct(
    snapshot: BucketSnapshot | undefined,
    window: WindowReading | undefined,
    served: Cost,
    now: number,
  ): void {
    if (window === undefined) return;
    const { limit, remaining } = window;
    // A limit below what was just admitted can't be one per minute, and says nothing about what is left either.
    if (limit !== undefined && limit < CERTAIN_SHARE * unitsOf(this.dimension, served)) return;
    if (limit !== undefined && limit > 0) this.#bucket.followLimit(limit);
    if (remaining !== undefined && snapshot) this.#bucket.correct(snapshot, remaining, now);
  }

  /** A 429 without any headers: nothing is left, and the real limit is lower than the configured one. */
  recordRefusal(now: number): void {
    this.#bucket.recordRefusal(now);
  }

  /** A 429 whose headers show what is left. @param attempt The refused attempt, whose cost has been given back. */
  recordRefusalWithRemaining(
    remaining: number,
    now: number,
    attempt: { snapshot: BucketSnapshot | undefined; cost: Cost } | undefined,
  ): void {
    const units = attempt && unitsOf(this.dimension, attempt.cost);
    this.#bucket.recordRefusalWithRemaining(remaining, now, attempt?.snapshot, units);
  }

  close(): void {
    this.#limiter.close();
  }

  #put(units: number, now: number): void {
    this.#bucket.put(units, now);
    this.#limiter.refund(units);
  }
}

/** A limit for any 24 hours, of requests or of all tokens. */
export class DailyLimit implements QuotaLimit {
  readonly name: string;
  readonly #day: DayLimit;

  constructor(
    quota: string,
    readonly dimension: 'requests' | 'tokens',
    limit: number,
    store: LimiterStore,
  ) {
    this.name = `${dimension} per day`;
    this.#day = store.day(`${quota}:${this.name}`, limit);
  }

  configure(limit: number): void {
    this.#day.limit = limit;
  }

  isUntouched(now: number): boolean {
    return this.#day.left(now) >= this.#day.limit;
  }

  left(now: number): number {
    return this.#day.left(now);
  }

  waitMs(cost: Cost, now: number): number {
    return this.#day.waitMs(unitsOf(this.dimension, cost), now);
  }

  exceededBy(cost: Cost): ExceededLimit | undefined {
    const units = unitsOf(this.dimension, cost);
    if (this.dimension === 'requests' || units <= this.#day.limit) return undefined;
    return { limit: this.name, units, allowed: this.#day.limit };
  }

  outputDepth(now: number): number {
    return this.dimension === 'tokens' ? this.#day.left(now) : Infinity;
  }

  take(cost: Cost, now: number): GrantRequest | undefined {
    return this.#day.take(unitsOf(this.dimension, cost), now);
  }

  undo(cost: Cost, now: number, takenAt: number): void {
    this.#day.put(unitsOf(this.dimension, cost), now, takenAt);
  }

  adjust(back: Cost, requests: 0 | 1, now: number, takenAt: number): void {
    const units = this.dimension === 'requests' ? requests : unitsOf(this.dimension, back);
    if (units > 0) this.#day.put(units, now, takenAt);
    else if (units < 0) this.#day.overdraw(-units, now);
  }

  close(): void {
    this.#day.close();
  }
}
