import type { GrantRequest } from '../util/grant-request';
import { Bucket } from './bucket';
import type { BucketOptions, BucketSnapshot } from './bucket-snapshot';
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

/** What the buckets of limits per minute and per day have in common. */
interface LimitBucket {
  readonly depth: number;
  readonly headroom: number;
  level(now: number): number;
  waitMs(units: number, now: number): number;
  take(units: number, now: number): void;
  put(units: number, now: number, takenAt: number): void;
}

/**
 * One limit of a quota, for example tokens per minute: the bucket that decides and, in a cluster, the limiter in Redis.
 */
export abstract class QuotaLimit {
  /** Such as 'tokens per minute'. */
  readonly name: string;
  readonly dimension: Dimension;
  /** Largest number of units that one call may need. */
  abstract readonly allowed: number;
  /** Called after each change of the level, limit or claims. */
  onChange: () => void = () => undefined;
  readonly #bucket: LimitBucket;
  readonly #limiter: SharedLimiter | undefined;
  /** Set once a job of other code has waited for this limit. */
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

  /** Most output tokens that the limit's bucket can hold; Infinity if the limit doesn't count output. */
  abstract outputDepth(now: number): number;
  /**
   * Used share of the bucket: 0 if it is full, 1 if it is empty, more while a debt is being paid off. Always 0 for a
   * limit per day.
   */
  abstract usedShare(now: number): number;

  /**
   * Units that certainly fit now, for calls and jobs alike; Infinity if the bucket is full, so that any number fits.
   */
  room(now: number): number {
    // With fairness, whether units fit depends on whose turn it is.
    if (this.#fairness) return 0;
    const level = this.#bucket.level(now);
    // A full bucket admits a call of any size.
    return level >= this.#bucket.depth ? Infinity : level - this.#bucket.headroom;
  }

  /** Units left; negative while a debt is being paid off. */
  left(now: number): number {
    // Compensates for rounding errors just below a whole unit.
    return Math.floor(this.#bucket.level(now) + 1e-9);
  }

  /** Milliseconds until `units` can be taken; Infinity if they never can. */
  waitMs(units: number, now: number, taker: Taker): number {
    const needed = this.#fairness ? units + this.#fairness.claimedBefore(taker, now) : units;
    const bucketWaitMs = this.#bucket.waitMs(needed, now);
    return this.#limiter ? this.#limiter.waitMs(needed, bucketWaitMs, now) : bucketWaitMs;
  }

  /**
   * Claims units for the first waiting call or job, so that it gets its turn. A limiter in Redis may fetch the units
   * ahead of time.
   */
  claim(units: number, now: number, taker: Taker): void {
    if (taker === 'jobs') this.#fairness ??= new JobFairness();
    this.#fairness?.claim(taker, units, now);
    this.onChange();
    this.#limiter?.prefetch(units, now);
  }

  /** Ends the claim of jobs of other code: none waits for this limit any more. */
  endJobs(): void {
    this.#fairness?.endClaim('jobs');
  }

  /** Takes units. Returns a request if the caller must wait until Redis has decided, otherwise undefined. */
  take(units: number, now: number, taker: Taker): GrantRequest | undefined {
    this.#bucket.take(units, now);
    this.onChange();
    this.#fairness?.recordTaken(taker, units, now);
    return this.#limiter?.reserve(units);
  }

  /** Returns units that were taken at `takenAt`. */
  put(units: number, now: number, takenAt: number): void {
    this.#bucket.put(units, now, takenAt);
    this.onChange();
    this.#limiter?.refund(units, takenAt);
  }

  /** Takes further units for an attempt that used more than it had reserved. */
  overdraw(units: number, now: number): void {
    this.#bucket.take(units, now);
    this.onChange();
    this.#limiter?.overdraw(units);
  }

  /** Takes units whether they fit or not; a negative number gives units back. Resolves to the units left. */
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

/** The bucket levels when an attempt was sent. */
export type QuotaSnapshot = Partial<Record<Dimension, BucketSnapshot>>;

/** What an attempt had taken when it was sent, and the bucket levels at that time. */
export interface SentAttempt {
  readonly snapshot: QuotaSnapshot;
  readonly cost: Cost;
}

/** A limit per minute. */
export class MinuteLimit extends QuotaLimit {
  readonly #id: string;
  readonly #store: LimiterStore;
  readonly #bucket: Bucket;

  /** @param quota Name of the quota that the limit belongs to. */
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

  /**
   * The configured limit, even if headers report a lower one, which may be wrong and expires. Infinity for requests:
   * one request is never too large.
   */
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

  /**
   * Corrects the level from response headers.
   * @param served What the attempt certainly took: its prompt.
   */
  correct(sent: QuotaSnapshot, windows: Windows, served: Cost, now: number): void {
    const { limit, remaining } = windows[this.dimension] ?? {};
    // A limit below what was just admitted can't be one per minute, so its remaining units can't be trusted either.
    if (limit !== undefined && limit < CERTAIN_SHARE * unitsOf(this.dimension, served)) return;
    if (limit !== undefined && limit > 0) this.#bucket.followLimit(limit);
    const snapshot = sent[this.dimension];
    if (remaining !== undefined && snapshot) this.#bucket.correct(snapshot, remaining, now);
    this.onChange();
  }

  /**
   * Handles a 429. Lowers the level to what its headers show; without any headers, lowers it to zero and slows the
   * refill.
   * @param attempt The refused attempt, whose cost has been returned.
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

/** A limit over any 24 hours, of requests or of all tokens. */
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
