import type { Call } from '../call/call';
import type { LimitReading, WindowReading } from '../provider/rate-limits/rate-limit-headers';
import { Bucket, type BucketSnapshot } from './bucket';
import type { DayLimit } from './day-limit';
import { IN_MEMORY, type Limiter, type LimiterStore } from './limiter';
import type { QuotaLimits } from './options';
import { PendingGrant } from './pending-grant';

/** What one attempt takes. */
export interface Cost {
  readonly input: number;
  readonly output: number;
}

/** The charges that a call may mean, by what the provider takes: made once a call, since many endpoints share them. */
export interface CostEstimate {
  /** With max_tokens, where the caller sets it. */
  readonly max: Cost;
  readonly expected: Cost;
}

/** What an attempt of the call could take from a quota. */
export function estimateQuotaCost(call: Call): CostEstimate {
  const input = call.promptTokens;
  const most = call.maxOutputTokens ?? call.expectedOutputTokens;
  return {
    max: { input, output: most },
    expected: { input, output: Math.min(most, call.expectedOutputTokens) },
  };
}

type Dimension = 'requests' | 'tokens' | 'input' | 'output';
const DIMENSIONS: readonly Dimension[] = ['requests', 'tokens', 'input', 'output'];

function units(dimension: Dimension, cost: Cost): number {
  if (dimension === 'requests') return 1;
  if (dimension === 'tokens') return cost.input + cost.output;
  return cost[dimension];
}

function windowsOf(reading: LimitReading): Record<Dimension, WindowReading | undefined> {
  return {
    requests: reading.requests,
    tokens: reading.tokens,
    input: reading.inputTokens,
    output: reading.outputTokens,
  };
}

/** One limit a minute: its view and its ledger. */
interface BucketEntry {
  readonly dimension: Dimension;
  readonly bucket: Bucket;
  readonly limiter: Limiter;
}

/** One limit a day. */
interface DayEntry {
  readonly dimension: 'requests' | 'tokens';
  readonly name: string;
  readonly day: DayLimit;
}

/** The levels as they were when an attempt was sent. */
export type QuotaSnapshot = Partial<Record<Dimension, BucketSnapshot>>;

/**
 * The requests and tokens that a key or an account may still take: a bucket for each limit a minute, a window for each
 * limit a day. Synchronous: it answers in microseconds.
 */
export class Quota {
  readonly #limiters: LimiterStore;
  #buckets: readonly BucketEntry[] = [];
  #days: readonly DayEntry[] = [];
  /** Rests by failure: no call of the group goes out until then, on the monotonic clock. */
  cooldownUntil = 0;
  /** Refusals in a row without a Retry-After, for the doubling rest. */
  refusals = 0;
  /** Output tokens that were reserved by attempts still under way: a provider may charge them only as they come. */
  #pendingOutput = 0;

  constructor(
    readonly name: string,
    limits: QuotaLimits,
    burstSeconds: number,
    limiters: LimiterStore = IN_MEMORY,
  ) {
    this.#limiters = limiters;
    this.configure(limits, burstSeconds);
  }

  /** Changes the limits. Levels, debts and rests stay. */
  configure(limits: QuotaLimits, burstSeconds: number): void {
    const limitOf: Record<Dimension, number | undefined> = {
      requests: limits.rpm,
      tokens: limits.tpm,
      input: limits.inputTpm,
      output: limits.outputTpm,
    };
    const before = this.#buckets;
    this.#buckets = DIMENSIONS.flatMap((dimension) => {
      const limit = limitOf[dimension];
      const old = before.find((entry) => entry.dimension === dimension);
      if (limit === undefined) {
        old?.limiter.close();
        return [];
      }
      const id = `${this.name}:${dimension}`;
      if (old) {
        old.bucket.configure({ limit, burstSeconds });
        this.#limiters.configure(id, { limit: old.bucket.limit, burstSeconds });
        return [old];
      }
      const bucket = new Bucket({ limit, burstSeconds }, (units) => ledger.correct(units));
      const ledger = this.#limiters.open(id, bucket, { limit: bucket.limit, burstSeconds });
      return [{ dimension, bucket, limiter: ledger }];
    });
    this.#days = [...this.#dayOf('requests', limits.rpd), ...this.#dayOf('tokens', limits.tpd)];
  }

  /** Milliseconds until the charge fits; Infinity when it never will. */
  waitMs(cost: Cost, now: number): number {
    let wait = 0;
    for (const { dimension, bucket, limiter: reservoirs } of this.#buckets) {
      const amount = units(dimension, cost);
      const bucketWaitMs = bucket.waitMs(amount, now);
      const ms = reservoirs.waitMs ? reservoirs.waitMs(amount, bucketWaitMs, now) : bucketWaitMs;
      if (ms > wait) wait = ms;
    }
    for (const { dimension, day } of this.#days) {
      wait = Math.max(wait, day.waitMs(units(dimension, cost), now));
    }
    return wait;
  }

  /** The next call of a queue waits for room for this charge. */
  prefetch(cost: Cost, now: number): void {
    for (const { dimension, limiter: ledger } of this.#buckets)
      ledger.prefetch?.(units(dimension, cost), now);
  }

  /** The limit that this charge alone exceeds, if any: such a call could never be served as it is. */
  exceededBy(cost: Cost): { limit: string; units: number; allowed: number } | undefined {
    for (const { dimension, bucket } of this.#buckets) {
      const asked = units(dimension, cost);
      // The safety first: it is cheaper, and most calls are far smaller than a minute's limit.
      if (dimension !== 'requests' && asked > bucket.limit && asked > bucket.providerLimit) {
        return { limit: `${dimension} a minute`, units: asked, allowed: Math.round(bucket.providerLimit) };
      }
    }
    for (const { dimension, name, day } of this.#days) {
      const asked = units(dimension, cost);
      if (dimension === 'tokens' && asked > day.limit)
        return { limit: name, units: asked, allowed: day.limit };
    }
    return undefined;
  }

  /** Undefined where the taking stands; else it does once the hold has been granted. */
  take(cost: Cost, now: number): PendingGrant | undefined {
    this.#pendingOutput += cost.output;
    let pendingGrant: PendingGrant | undefined;
    for (const { dimension, bucket, limiter: ledger } of this.#buckets) {
      const amount = units(dimension, cost);
      bucket.take(amount, now);
      const part = ledger.reserve(amount);
      if (part) (pendingGrant ??= new PendingGrant()).add(dimension, part);
    }
    for (const { dimension, name, day } of this.#days) {
      const part = day.take(units(dimension, cost), now);
      if (part) (pendingGrant ??= new PendingGrant()).add(name, part);
    }
    return pendingGrant;
  }

  /** A taking whose hold was not granted, or is not waited for any more, has never been. */
  undo(cost: Cost, pendingGrant: PendingGrant, now: number, takenAt: number): void {
    pendingGrant.cancel();
    for (const { dimension, bucket, limiter: ledger } of this.#buckets) {
      // What the ledger has refused it has put back itself.
      if (pendingGrant.isRefused(dimension)) continue;
      bucket.put(units(dimension, cost), now);
      ledger.refund(units(dimension, cost));
    }
    for (const { dimension, name, day } of this.#days) {
      if (!pendingGrant.isRefused(name)) day.put(units(dimension, cost), now, takenAt);
    }
  }

  /** An attempt is over: what is to come of its output has come. */
  finishAttempt(cost: Cost): void {
    this.#pendingOutput = Math.max(0, this.#pendingOutput - cost.output);
  }

  /**
   * Gives tokens back that were taken at that time; a negative amount takes more. Requests come back only where the
   * attempt was never admitted.
   */
  adjust(back: Cost, requests: 0 | 1, now: number, takenAt: number): void {
    for (const { dimension, bucket, limiter: ledger } of this.#buckets) {
      const amount = dimension === 'requests' ? requests : units(dimension, back);
      if (amount === 0) continue;
      if (amount > 0) {
        bucket.put(amount, now);
        ledger.refund(amount);
      } else {
        bucket.take(-amount, now);
        ledger.overdraw(-amount);
      }
    }
    for (const { dimension, day } of this.#days) {
      const amount = dimension === 'requests' ? requests : units(dimension, back);
      if (amount > 0) day.put(amount, now, takenAt);
      else if (amount < 0) day.overdraw(-amount, now);
    }
  }

  snapshot(now: number): QuotaSnapshot {
    const snapshot: QuotaSnapshot = {};
    for (const { dimension, bucket } of this.#buckets) {
      const hasOutput = dimension === 'tokens' || dimension === 'output';
      snapshot[dimension] = bucket.snapshot(now, hasOutput ? this.#pendingOutput : 0);
    }
    return snapshot;
  }

  /** Corrects the levels from the headers of the marked attempt's answer. */
  correct(snapshot: QuotaSnapshot, reading: LimitReading, now: number): void {
    const windows = windowsOf(reading);
    for (const { dimension, bucket } of this.#buckets) {
      const window = windows[dimension];
      if (window?.limit !== undefined && window.limit > 0) bucket.followLimit(window.limit);
      const marked = snapshot[dimension];
      if (window?.remaining !== undefined && marked) bucket.correct(marked, window.remaining, now);
    }
  }

  /**
   * A 429 of an attempt that has been given back: what its headers say is left, is left; where they say nothing,
   * nothing is, and the limit is lower.
   */
  recordRefusal(
    reading: LimitReading | undefined,
    now: number,
    attempt?: { snapshot: QuotaSnapshot; cost: Cost },
  ): void {
    const windows = reading && windowsOf(reading);
    for (const { dimension, bucket } of this.#buckets) {
      const remaining = windows?.[dimension]?.remaining;
      if (remaining !== undefined) {
        bucket.recordRefusalWithRemaining(
          remaining,
          now,
          attempt?.snapshot[dimension],
          attempt && units(dimension, attempt.cost),
        );
      } else if (windows === undefined) {
        bucket.recordRefusal(now);
      }
    }
  }

  requestsLeft(now: number): number | undefined {
    return minDefined(this.#level('requests', now), this.#dayLeft('requests', now));
  }

  tokensLeft(now: number): number | undefined {
    const apart = minDefined(this.#level('input', now), this.#level('output', now));
    return minDefined(minDefined(this.#level('tokens', now), apart), this.#dayLeft('tokens', now));
  }

  /** 0 to 1: the used share of the scarcest limit. */
  usedShare(now: number): number {
    let used = 0;
    for (const { bucket } of this.#buckets) used = Math.max(used, 1 - bucket.level(now) / bucket.depth);
    return Math.min(1, used);
  }

  /** Whether a new one in its place would allow the same: nothing is used, rests, or is under way. */
  isUntouched(now: number): boolean {
    return (
      this.cooldownUntil <= now &&
      this.#pendingOutput === 0 &&
      this.usedShare(now) === 0 &&
      this.#days.every(({ day }) => day.left(now) >= day.limit)
    );
  }

  /** Tokens a millisecond; Infinity without a limit. */
  get tokensPerMs(): number {
    return this.#rate(['tokens', 'input', 'output']);
  }

  /** Requests a millisecond; Infinity without a limit. */
  get requestsPerMs(): number {
    return this.#rate(['requests']);
  }

  /** What Bottleneck's reservoirs hold, by dimension. */
  async reservoirs(): Promise<Partial<Record<Dimension, number>>> {
    const reservoirs: Partial<Record<Dimension, number>> = {};
    for (const { dimension, limiter: ledger } of this.#buckets)
      reservoirs[dimension] = await ledger.reservoir();
    return reservoirs;
  }

  close(): void {
    for (const { limiter: ledger } of this.#buckets) ledger.close();
    for (const { day } of this.#days) day.close();
  }

  #dayOf(dimension: DayEntry['dimension'], limit: number | undefined): DayEntry[] {
    const old = this.#days.find((entry) => entry.dimension === dimension);
    if (limit === undefined) {
      old?.day.close();
      return [];
    }
    const name = `${dimension} a day`;
    const day = old?.day ?? this.#limiters.day(`${this.name}:${name}`, limit);
    day.limit = limit;
    return [{ dimension, name, day }];
  }

  #dayLeft(dimension: DayEntry['dimension'], now: number): number | undefined {
    return this.#days.find((entry) => entry.dimension === dimension)?.day.left(now);
  }

  #level(dimension: Dimension, now: number): number | undefined {
    const entry = this.#buckets.find((entry) => entry.dimension === dimension);
    return entry === undefined ? undefined : Math.floor(entry.bucket.level(now) + 1e-9);
  }

  #rate(dimensions: readonly Dimension[]): number {
    let rate = Infinity;
    for (const { dimension, bucket } of this.#buckets) {
      if (dimensions.includes(dimension)) rate = Math.min(rate, bucket.rate);
    }
    return rate;
  }
}

function minDefined(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.min(a, b);
}
