import type { GrantRequest } from '../util/grant-request';
import { Bucket, type BucketOptions, type BucketSnapshot } from './bucket';
import { CERTAIN_SHARE, type Cost, type Dimension, unitsOf, type Windows } from './cost';
import { DayBucket } from './day-bucket';
import { JobFairness, type Taker } from './job-fairness';
import type { LimiterStore, LimiterTerms, SharedLimiter } from './limiter';

/** A limit that one call alone exceeds. */
export interface ExceededLimit {
  readonly limit: string;
  readonly units: number;
  readonly allowed: number;
}

/** What a bucket and its limiter have in common, per minute and per day. */
interface LimitBucket {
  readonly depth: number;
  readonly headroom: number;
  level(now: number): number;
  waitMs(units: number, now: number): number;
  take(units: number, now: number): void;
  put(units: number, now: number, takenAt: number): void;
}

/** One limit of a quota, for example its tokens per minute: the bucket that decides, and in a cluster the limiter in Redis. */
export abstract class QuotaLimit {
  /** Such as 'tokens per minute'. */
  readonly name: string;
  readonly dimension: Dimension;
  /** The units that one call may need at most. */
  abstract readonly allowed: number;
  /** Called after each change of its level, its limit or its claims. */
  onChange: () => void = () => undefined;
  readonly #bucket: LimitBucket;
  readonly #limiter: SharedLimiter | undefined;
  /** Once jobs of other code have waited for it. */
  #fairness: JobFairness | undefined;

  constructor(
    dimension: Dimension,
    per: 'minute' | 'day',
    bucket: LimitBucket,
    limiter: SharedLimiter | undefined,
  ) {
    this.name = `${dimension} per ${per}`;
    this.dimension = dimension;
    this.#bucket = bucket;
    this.#limiter = limiter;
  }

  /** The output tokens that it can hold at most; Infinity if it counts none. */
  abstract outputDepth(now: number): number;
  /** 0 to 1; 0 for a day. */
  abstract usedShare(now: number): number;

  /** The units that fit now, for any caller; Infinity if any number does. */
  room(now: number): number {
    // Whether units fit may depend on whose turn it is.
    if (this.#fairness) return 0;
    const level = this.#bucket.level(now);
    // A call larger than the depth starts on a full bucket.
    return level >= this.#bucket.depth ? Infinity : level - this.#bucket.headroom;
  }

  /** Units left; below zero while a debt is paid. */
  left(now: number): number {
    // A level that lacks a rounding error counts as whole.
    return Math.floor(this.#bucket.level(now) + 1e-9);
  }

  /** Milliseconds until the units fit; Infinity if they never do. */
  waitMs(units: number, now: number, taker: Taker): number {
    const needed = this.#fairness ? units + this.#fairness.claimedBefore(taker, now) : units;
    const bucketWaitMs = this.#bucket.waitMs(needed, now);
    return this.#limiter ? this.#limiter.waitMs(needed, bucketWaitMs, now) : bucketWaitMs;
  }

  /** Those that wait for these units come before others at their turn, and a limiter in Redis may fetch the units. */
  claim(units: number, now: number, taker: Taker): void {
    if (taker === 'jobs') this.#fairness ??= new JobFairness();
    this.#fairness?.claim(taker, units, now);
    this.onChange();
    this.#limiter?.prefetch(units, now);
  }

  /** No job of other code waits for it any more. */
  endJobs(): void {
    this.#fairness?.endClaim('jobs');
  }

  /** Takes units. Returns a request if it must wait for the answer of Redis. */
  take(units: number, now: number, taker: Taker): GrantRequest | undefined {
    this.#bucket.take(units, now);
    this.onChange();
    this.#fairness?.recordTaken(taker, units, now);
    return this.#limiter?.reserve(units);
  }

  /** Gives back units that were taken at that time. */
  put(units: number, now: number, takenAt: number): void {
    this.#bucket.put(units, now, takenAt);
    this.onChange();
    this.#limiter?.refund(units, takenAt);
  }

  /** Takes more than an attempt had taken at first. */
  overdraw(units: number, now: number): void {
    this.#bucket.take(units, now);
    this.onChange();
    this.#limiter?.overdraw(units);
  }

  /** Takes units whether they fit or not, or gives them back if negative. Resolves to what is left. */
  async adjust(units: number): Promise<number> {
    const left = await this.#limiter?.adjust(units);
    const now = performance.now();
    if (left !== undefined) return left;
    if (units > 0) this.overdraw(units, now);
    else if (units < 0) this.put(-units, now, now);
    return this.left(now);
  }

  close(): void {
    this.#limiter?.close();
  }
}

/** The levels when an attempt was sent. */
export type QuotaSnapshot = Partial<Record<Dimension, BucketSnapshot>>;

/** What an attempt had taken when it was sent, and the levels then. */
export interface SentAttempt {
  readonly snapshot: QuotaSnapshot;
  readonly cost: Cost;
}

/** A limit per minute. */
export class MinuteLimit extends QuotaLimit {
  readonly #id: string;
  readonly #store: LimiterStore;
  readonly #bucket: Bucket;

  /** @param quota The name of its quota. */
  constructor(quota: string, dimension: Dimension, options: BucketOptions, store: LimiterStore) {
    const id = `${quota}:${dimension}`;
    const opened: { limiter?: SharedLimiter | undefined } = {};
    const bucket = new Bucket(options, (units) => opened.limiter?.correct(units));
    opened.limiter = store.open(id, bucket, termsOf(options));
    super(dimension, 'minute', bucket, opened.limiter);
    this.#id = id;
    this.#store = store;
    this.#bucket = bucket;
  }

  configure(options: BucketOptions): void {
    this.#bucket.configure(options);
    this.#store.configure(this.#id, termsOf(options));
  }

  /** Not the limit in the headers: it may be wrong, and it is forgotten. A single request is never too large. */
  get allowed(): number {
    return this.dimension === 'requests' ? Infinity : this.#bucket.configuredLimit;
  }

  /** The refill, in units per millisecond. */
  get rate(): number {
    return this.#bucket.rate;
  }

  usedShare(now: number): number {
    return Math.max(0, 1 - this.#bucket.level(now) / this.#bucket.depth);
  }

  outputDepth(): number {
    return this.#countsOutput ? this.#bucket.depth : Infinity;
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

  get #countsOutput(): boolean {
    return this.dimension === 'tokens' || this.dimension === 'output';
  }
}

function termsOf({ burstSeconds }: BucketOptions): LimiterTerms {
  return { depthMs: burstSeconds * 1_000, isDay: false };
}

const DAY_TERMS: LimiterTerms = { depthMs: 24 * 3_600_000, isDay: true };

/** A limit for any 24 hours, of requests or of all tokens. */
export class DailyLimit extends QuotaLimit {
  readonly #id: string;
  readonly #store: LimiterStore;
  readonly #bucket: DayBucket;

  constructor(quota: string, dimension: 'requests' | 'tokens', limit: number, store: LimiterStore) {
    const id = `${quota}:${dimension} per day`;
    const bucket = new DayBucket(limit, store.clock);
    super(dimension, 'day', bucket, store.open(id, bucket, DAY_TERMS));
    this.#id = id;
    this.#store = store;
    this.#bucket = bucket;
  }

  configure(limit: number): void {
    this.#bucket.limit = limit;
    this.#store.configure(this.#id, DAY_TERMS);
  }

  get allowed(): number {
    return this.dimension === 'requests' ? Infinity : this.#bucket.limit;
  }

  usedShare(): number {
    return 0;
  }

  override room(now: number): number {
    return Math.min(this.left(now), super.room(now));
  }

  isUntouched(now: number): boolean {
    return this.left(now) >= this.#bucket.limit;
  }

  outputDepth(now: number): number {
    return this.dimension === 'tokens' ? this.left(now) : Infinity;
  }
}
