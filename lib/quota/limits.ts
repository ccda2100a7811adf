import type { GrantRequest } from '../cluster/quota-lease/grant-request';
import { Bucket, type BucketOptions, type BucketSnapshot } from './bucket';
import { type Cost, type Dimension, unitsOf, type Windows } from './cost';
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
  /** The units that one call may need at most. */
  readonly allowed: number;
  /** Units left; below zero while a debt is paid. */
  left(now: number): number;
  /** Milliseconds until the cost fits; Infinity if it never does. */
  waitMs(cost: Cost, now: number): number;
  /** The output tokens that it can hold at most; Infinity if it counts none. */
  outputDepth(now: number): number;
  /** Takes the cost. Returns a request if it must wait for the answer of Redis. */
  take(cost: Cost, now: number): GrantRequest | undefined;
  /** Gives back units that were taken at that time. */
  put(units: number, now: number, takenAt: number): void;
  /** Takes more than an attempt had taken at first. */
  overdraw(units: number, now: number): void;
  close(): void;
}

/** The levels when an attempt was sent. */
export type QuotaSnapshot = Partial<Record<Dimension, BucketSnapshot>>;

/** What an attempt had taken when it was sent, and the levels then. */
export interface SentAttempt {
  readonly snapshot: QuotaSnapshot;
  readonly cost: Cost;
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

  /** 0 to 1. */
  usedShare(now: number): number {
    return Math.max(0, 1 - this.#bucket.level(now) / this.#bucket.depth);
  }

  waitMs(cost: Cost, now: number): number {
    const units = unitsOf(this.dimension, cost);
    const bucketWaitMs = this.#bucket.waitMs(units, now);
    return this.#limiter.waitMs ? this.#limiter.waitMs(units, bucketWaitMs, now) : bucketWaitMs;
  }

  prefetch(cost: Cost, now: number): void {
    this.#limiter.prefetch?.(unitsOf(this.dimension, cost), now);
  }

  outputDepth(): number {
    return this.#countsOutput ? this.#bucket.depth : Infinity;
  }

  take(cost: Cost, now: number): GrantRequest | undefined {
    const units = unitsOf(this.dimension, cost);
    this.#bucket.take(units, now);
    return this.#limiter.reserve(units);
  }

  put(units: number, now: number): void {
    this.#bucket.put(units, now);
    this.#limiter.refund(units);
  }

  overdraw(units: number, now: number): void {
    this.#bucket.take(units, now);
    this.#limiter.overdraw(units);
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
  }

  /**
   * A 429. What its headers show is left; without any headers nothing is left, and the real limit is lower than the
   * configured one. @param attempt The refused attempt, whose cost has been given back.
   */
  recordRefusal(windows: Windows | undefined, now: number, attempt: SentAttempt | undefined): void {
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
    this.#limiter.close();
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

  isUntouched(now: number): boolean {
    return this.left(now) >= this.#day.limit;
  }

  left(now: number): number {
    return this.#day.left(now);
  }

  waitMs(cost: Cost, now: number): number {
    return this.#day.waitMs(unitsOf(this.dimension, cost), now);
  }

  outputDepth(now: number): number {
    return this.dimension === 'tokens' ? this.left(now) : Infinity;
  }

  take(cost: Cost, now: number): GrantRequest | undefined {
    return this.#day.take(unitsOf(this.dimension, cost), now);
  }

  put(units: number, now: number, takenAt: number): void {
    this.#day.put(units, now, takenAt);
  }

  overdraw(units: number, now: number): void {
    this.#day.overdraw(units, now);
  }

  close(): void {
    this.#day.close();
  }
}
