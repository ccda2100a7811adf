import type { LimitReading } from '../provider/rate-limits/rate-limit-headers';
import { Bucket, type BucketSnapshot } from './bucket';
import { Cooldown, type Refusal } from './cooldown';
import { type Cost, DIMENSIONS, type Dimension, unitsOf, windowsOf } from './cost';
import type { DayLimit } from './day-limit';
import { IN_MEMORY, type Limiter, type LimiterStore, PendingGrant } from './limiter';
import type { QuotaLimits } from './options';

/** One limit per minute: the bucket that decides and the limiter that keeps its account. */
interface MinuteLimit {
  readonly dimension: Dimension;
  readonly bucket: Bucket;
  readonly limiter: Limiter;
}

/** One limit per day. */
interface NamedDayLimit {
  readonly dimension: 'requests' | 'tokens';
  readonly name: string;
  readonly day: DayLimit;
}

/** A limit that one call alone exceeds. */
export interface ExceededLimit {
  readonly limit: string;
  readonly units: number;
  readonly allowed: number;
}

/** The levels when an attempt was sent. */
export type QuotaSnapshot = Partial<Record<Dimension, BucketSnapshot>>;

/**
 * The requests and tokens that a key or an account may still take: a bucket for each limit per minute and a count for
 * each limit per day. Synchronous: it answers within microseconds.
 */
export class Quota {
  readonly #store: LimiterStore;
  readonly #cooldown = new Cooldown();
  #minuteLimits: readonly MinuteLimit[] = [];
  #dayLimits: readonly NamedDayLimit[] = [];
  /** Output tokens reserved by attempts that are still running: some providers charge them only as they are produced. */
  #pendingOutput = 0;

  constructor(
    readonly name: string,
    limits: QuotaLimits,
    burstSeconds: number,
    store: LimiterStore = IN_MEMORY,
  ) {
    this.#store = store;
    this.configure(limits, burstSeconds);
  }

  /** Changes the limits. Levels, debts and cooldowns stay. */
  configure(limits: QuotaLimits, burstSeconds: number): void {
    const limitOf: Record<Dimension, number | undefined> = {
      requests: limits.rpm,
      tokens: limits.tpm,
      input: limits.inputTpm,
      output: limits.outputTpm,
    };
    const before = this.#minuteLimits;
    this.#minuteLimits = DIMENSIONS.flatMap((dimension) => {
      const limit = limitOf[dimension];
      const existing = before.find((entry) => entry.dimension === dimension);
      if (limit === undefined) {
        existing?.limiter.close();
        return [];
      }
      const id = `${this.name}:${dimension}`;
      if (existing) {
        existing.bucket.configure({ limit, burstSeconds });
        this.#store.configure(id, { limit: existing.bucket.limit, burstSeconds });
        return [existing];
      }
      const bucket = new Bucket({ limit, burstSeconds }, (units) => limiter.correct(units));
      const limiter = this.#store.open(id, bucket, { limit: bucket.limit, burstSeconds });
      return [{ dimension, bucket, limiter }];
    });
    this.#dayLimits = [...this.#dayLimit('requests', limits.rpd), ...this.#dayLimit('tokens', limits.tpd)];
  }

  /** The end of its latest cooldown, on the clock of performance.now(); 0 before the first. */
  get cooldownUntil(): number {
    return this.#cooldown.until;
  }

  /** A peer reports a 429: no call goes out until then. */
  coolDownOnReport(until: number, now: number): void {
    this.#cooldown.startAfterReport(until, now);
  }

  endCooldown(): void {
    this.#cooldown.end();
  }

  /** A call that took from this quota was served. */
  recordSuccess(): void {
    this.#cooldown.recordSuccess();
  }

  /** Milliseconds until the cost fits; Infinity if it never does. */
  waitMs(cost: Cost, now: number): number {
    let waitMs = 0;
    for (const { dimension, bucket, limiter } of this.#minuteLimits) {
      const units = unitsOf(dimension, cost);
      const bucketWaitMs = bucket.waitMs(units, now);
      const ms = limiter.waitMs ? limiter.waitMs(units, bucketWaitMs, now) : bucketWaitMs;
      if (ms > waitMs) waitMs = ms;
    }
    for (const { dimension, day } of this.#dayLimits) {
      waitMs = Math.max(waitMs, day.waitMs(unitsOf(dimension, cost), now));
    }
    return waitMs;
  }

  /** The next call of a queue waits for this cost: limiters in Redis may fetch it ahead of time. */
  prefetch(cost: Cost, now: number): void {
    for (const { dimension, limiter } of this.#minuteLimits)
      limiter.prefetch?.(unitsOf(dimension, cost), now);
  }

  /** The limit that this cost alone exceeds, if any: such a call can never be served as it is. */
  exceededBy(cost: Cost): ExceededLimit | undefined {
    for (const { dimension, bucket } of this.#minuteLimits) {
      const units = unitsOf(dimension, cost);
      // The lower of the two first, because it is cheaper and most calls are far smaller.
      if (dimension !== 'requests' && units > bucket.limit && units > bucket.providerLimit) {
        return { limit: `${dimension} per minute`, units, allowed: Math.round(bucket.providerLimit) };
      }
    }
    for (const { dimension, name, day } of this.#dayLimits) {
      const units = unitsOf(dimension, cost);
      if (dimension === 'tokens' && units > day.limit) return { limit: name, units, allowed: day.limit };
    }
    return undefined;
  }

  /** Takes the cost. Returns what has to be granted first, if a limiter could not answer by itself. */
  take(cost: Cost, now: number): PendingGrant | undefined {
    this.#pendingOutput += cost.output;
    let grant: PendingGrant | undefined;
    for (const { dimension, bucket, limiter } of this.#minuteLimits) {
      const units = unitsOf(dimension, cost);
      bucket.take(units, now);
      const request = limiter.reserve(units);
      if (request) (grant ??= new PendingGrant()).add(dimension, request);
    }
    for (const { dimension, name, day } of this.#dayLimits) {
      const request = day.take(unitsOf(dimension, cost), now);
      if (request) (grant ??= new PendingGrant()).add(name, request);
    }
    return grant;
  }

  /** Takes back what was taken at that time, because it was not granted or nobody waits for it any more. */
  undo(cost: Cost, grant: PendingGrant, now: number, takenAt: number): void {
    grant.cancel();
    for (const { dimension, bucket, limiter } of this.#minuteLimits) {
      // A limiter that has refused has given the bucket its units back.
      if (grant.isRefused(dimension)) continue;
      bucket.put(unitsOf(dimension, cost), now);
      limiter.refund(unitsOf(dimension, cost));
    }
    for (const { dimension, name, day } of this.#dayLimits) {
      if (!grant.isRefused(name)) day.put(unitsOf(dimension, cost), now, takenAt);
    }
  }

  /** An attempt has ended: none of its output is still to come. */
  finishAttempt(cost: Cost): void {
    this.#pendingOutput = Math.max(0, this.#pendingOutput - cost.output);
  }

  /**
   * Gives tokens back that were taken at that time; a negative amount takes more. Requests come back only if the attempt
   * was never admitted.
   */
  adjust(back: Cost, requests: 0 | 1, now: number, takenAt: number): void {
    for (const { dimension, bucket, limiter } of this.#minuteLimits) {
      const units = dimension === 'requests' ? requests : unitsOf(dimension, back);
      if (units === 0) continue;
      if (units > 0) {
        bucket.put(units, now);
        limiter.refund(units);
      } else {
        bucket.take(-units, now);
        limiter.overdraw(-units);
      }
    }
    for (const { dimension, day } of this.#dayLimits) {
      const units = dimension === 'requests' ? requests : unitsOf(dimension, back);
      if (units > 0) day.put(units, now, takenAt);
      else if (units < 0) day.overdraw(-units, now);
    }
  }

  snapshot(now: number): QuotaSnapshot {
    const snapshot: QuotaSnapshot = {};
    for (const { dimension, bucket } of this.#minuteLimits) {
      const hasOutput = dimension === 'tokens' || dimension === 'output';
      snapshot[dimension] = bucket.snapshot(now, hasOutput ? this.#pendingOutput : 0);
    }
    return snapshot;
  }

  /** Corrects the levels from the headers of an answer. @param snapshot Taken when its attempt was sent. */
  correct(snapshot: QuotaSnapshot, reading: LimitReading, now: number): void {
    const windows = windowsOf(reading);
    for (const { dimension, bucket } of this.#minuteLimits) {
      const window = windows[dimension];
      if (window?.limit !== undefined && window.limit > 0) bucket.followLimit(window.limit);
      const before = snapshot[dimension];
      if (window?.remaining !== undefined && before) bucket.correct(before, window.remaining, now);
    }
  }

  /**
   * A 429 of an attempt whose reservation has been returned: it starts a cooldown. Where its headers say how much is
   * left, that much is left; without any headers nothing is left, and the real limit is lower.
   */
  recordRefusal(refusal: Refusal, now: number, attempt?: { snapshot: QuotaSnapshot; cost: Cost }): void {
    this.#cooldown.startAfterRefusal(refusal, now);
    const windows = refusal.reading && windowsOf(refusal.reading);
    for (const { dimension, bucket } of this.#minuteLimits) {
      const remaining = windows?.[dimension]?.remaining;
      if (remaining !== undefined) {
        bucket.recordRefusalWithRemaining(
          remaining,
          now,
          attempt?.snapshot[dimension],
          attempt && unitsOf(dimension, attempt.cost),
        );
      } else if (windows === undefined) {
        bucket.recordRefusal(now);
      }
    }
  }

  /** Undefined without a limit; below zero while a debt is paid. */
  requestsLeft(now: number): number | undefined {
    return minDefined(this.#level('requests', now), this.#dayLeft('requests', now));
  }

  /** Undefined without a limit; below zero while a debt is paid. */
  tokensLeft(now: number): number | undefined {
    const apart = minDefined(this.#level('input', now), this.#level('output', now));
    return minDefined(minDefined(this.#level('tokens', now), apart), this.#dayLeft('tokens', now));
  }

  /** 0 to 1: the used share of the scarcest limit per minute. */
  usedShare(now: number): number {
    let used = 0;
    for (const { bucket } of this.#minuteLimits) used = Math.max(used, 1 - bucket.level(now) / bucket.depth);
    return Math.min(1, used);
  }

  /** Whether a new quota in its place would allow the same: nothing is used, cooling down, or running. */
  isUntouched(now: number): boolean {
    return (
      this.cooldownUntil <= now &&
      this.#pendingOutput === 0 &&
      this.usedShare(now) === 0 &&
      this.#dayLimits.every(({ day }) => day.left(now) >= day.limit)
    );
  }

  /** The refill in tokens per millisecond; Infinity without a limit. */
  get tokensPerMs(): number {
    return this.#rate(['tokens', 'input', 'output']);
  }

  /** The refill in requests per millisecond; Infinity without a limit. */
  get requestsPerMs(): number {
    return this.#rate(['requests']);
  }

  close(): void {
    for (const { limiter } of this.#minuteLimits) limiter.close();
    for (const { day } of this.#dayLimits) day.close();
  }

  #dayLimit(dimension: NamedDayLimit['dimension'], limit: number | undefined): NamedDayLimit[] {
    const existing = this.#dayLimits.find((entry) => entry.dimension === dimension);
    if (limit === undefined) {
      existing?.day.close();
      return [];
    }
    const name = `${dimension} per day`;
    const day = existing?.day ?? this.#store.day(`${this.name}:${name}`, limit);
    day.limit = limit;
    return [{ dimension, name, day }];
  }

  #dayLeft(dimension: NamedDayLimit['dimension'], now: number): number | undefined {
    return this.#dayLimits.find((entry) => entry.dimension === dimension)?.day.left(now);
  }

  #level(dimension: Dimension, now: number): number | undefined {
    const entry = this.#minuteLimits.find((limit) => limit.dimension === dimension);
    return entry === undefined ? undefined : Math.floor(entry.bucket.level(now) + 1e-9);
  }

  #rate(dimensions: readonly Dimension[]): number {
    let rate = Infinity;
    for (const { dimension, bucket } of this.#minuteLimits) {
      if (dimensions.includes(dimension)) rate = Math.min(rate, bucket.rate);
    }
    return rate;
  }
}

/** Milliseconds until all quotas have room for the cost; Infinity if they never will. */
export function waitMs(quotas: readonly Quota[], cost: Cost, now: number): number {
  let longest = 0;
  for (const quota of quotas) {
    const ms = quota.waitMs(cost, now);
    if (ms > longest) longest = ms;
  }
  return longest;
}

/** 0 to 1: the used share of the scarcest quota. */
export function usedShare(quotas: readonly Quota[], now: number): number {
  let used = 0;
  for (const quota of quotas) used = Math.max(used, quota.usedShare(now));
  return used;
}

/** The first limit of the quotas that this cost alone exceeds, if any. */
export function exceededBy(quotas: readonly Quota[], cost: Cost): ExceededLimit | undefined {
  for (const quota of quotas) {
    const exceeded = quota.exceededBy(cost);
    if (exceeded) return exceeded;
  }
  return undefined;
}

function minDefined(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.min(a, b);
}
