import type { LimitReading } from '../provider/rate-limits/rate-limit-headers';
import type { BucketSnapshot } from './bucket';
import { Cooldown, type Refusal } from './cooldown';
import { type Cost, DIMENSIONS, type Dimension, windowsOf } from './cost';
import { IN_MEMORY, type LimiterStore, PendingGrant } from './limiter';
import { DailyLimit, type ExceededLimit, MinuteLimit, type QuotaLimit } from './limits';
import type { QuotaLimits } from './options';

/** The levels when an attempt was sent. */
export type QuotaSnapshot = Partial<Record<Dimension, BucketSnapshot>>;

/**
 * The requests and tokens that a key or an account may still take, per minute and per day. Synchronous: it answers within
 * microseconds.
 */
export class Quota {
  readonly #store: LimiterStore;
  readonly #cooldown = new Cooldown();
  #perMinute: readonly MinuteLimit[] = [];
  #perDay: readonly DailyLimit[] = [];
  #limits: readonly QuotaLimit[] = [];
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
    const { rpm, tpm, inputTpm, outputTpm, rpd, tpd } = limits;
    const perMinute = { requests: rpm, tokens: tpm, input: inputTpm, output: outputTpm };
    this.#perMinute = DIMENSIONS.flatMap((dimension) =>
      this.#minuteLimit(dimension, perMinute[dimension], burstSeconds),
    );
    this.#perDay = [...this.#dailyLimit('requests', rpd), ...this.#dailyLimit('tokens', tpd)];
    this.#limits = [...this.#perMinute, ...this.#perDay];
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
    for (const limit of this.#limits) {
      const ms = limit.waitMs(cost, now);
      if (ms > waitMs) waitMs = ms;
    }
    return waitMs;
  }

  /** The next call of a queue waits for this cost: limiters in Redis may fetch it ahead of time. */
  prefetch(cost: Cost, now: number): void {
    for (const limit of this.#perMinute) limit.prefetch(cost, now);
  }

  /** The limit that this cost alone exceeds, if any: such a call can never be served as it is. */
  exceededBy(cost: Cost): ExceededLimit | undefined {
    for (const limit of this.#limits) {
      const exceeded = limit.exceededBy(cost);
      if (exceeded) return exceeded;
    }
    return undefined;
  }

  /** The output tokens that fit into the smallest of its buckets and what is left of its day; Infinity without a limit. */
  outputDepth(now: number): number {
    let depth = Infinity;
    for (const limit of this.#limits) depth = Math.min(depth, limit.outputDepth(now));
    return depth;
  }

  /** Takes the cost. Returns what has to be granted first, if a limiter could not answer by itself. */
  take(cost: Cost, now: number): PendingGrant | undefined {
    this.#pendingOutput += cost.output;
    let grant: PendingGrant | undefined;
    for (const limit of this.#limits) {
      const request = limit.take(cost, now);
      if (request) (grant ??= new PendingGrant()).add(limit.name, request);
    }
    return grant;
  }

  /** Gives back what was taken at that time, because it was not granted or nothing waits for it any more. */
  undo(cost: Cost, grant: PendingGrant, now: number, takenAt: number): void {
    grant.cancel();
    for (const limit of this.#limits) {
      // A limiter that has refused has given its units back itself.
      if (!grant.isRefused(limit.name)) limit.undo(cost, now, takenAt);
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
    for (const limit of this.#limits) limit.adjust(back, requests, now, takenAt);
  }

  snapshot(now: number): QuotaSnapshot {
    const snapshot: QuotaSnapshot = {};
    for (const limit of this.#perMinute) snapshot[limit.dimension] = limit.snapshot(now, this.#pendingOutput);
    return snapshot;
  }

  /**
   * Corrects the levels from the headers of an answer.
   * @param snapshot Taken when its attempt was sent.
   * @param served What that attempt certainly took: its prompt.
   */
  correct(snapshot: QuotaSnapshot, reading: LimitReading, served: Cost, now: number): void {
    const windows = windowsOf(reading);
    for (const limit of this.#perMinute)
      limit.correct(snapshot[limit.dimension], windows[limit.dimension], served, now);
  }

  /**
   * A 429 of an attempt whose reservation has been returned: it starts a cooldown. Where its headers say how much is
   * left, that much is left; without any headers nothing is left, and the real limit is lower.
   */
  recordRefusal(refusal: Refusal, now: number, attempt?: { snapshot: QuotaSnapshot; cost: Cost }): void {
    this.#cooldown.startAfterRefusal(refusal, now);
    const windows = refusal.reading && windowsOf(refusal.reading);
    for (const limit of this.#perMinute) {
      const { dimension } = limit;
      const remaining = windows?.[dimension]?.remaining;
      if (remaining !== undefined) {
        const refused = attempt && { snapshot: attempt.snapshot[dimension], cost: attempt.cost };
        limit.recordRefusalWithRemaining(remaining, now, refused);
      } else if (windows === undefined) limit.recordRefusal(now);
    }
  }

  /** Undefined without a limit; below zero while a debt is paid. */
  requestsLeft(now: number): number | undefined {
    return this.#left(['requests'], now);
  }

  /** Undefined without a limit; below zero while a debt is paid. */
  tokensLeft(now: number): number | undefined {
    return this.#left(['tokens', 'input', 'output'], now);
  }

  /** 0 to 1: the used share of the scarcest limit per minute. */
  usedShare(now: number): number {
    let used = 0;
    for (const limit of this.#perMinute) used = Math.max(used, limit.usedShare(now));
    return Math.min(1, used);
  }

  /** Whether a new quota in its place would allow the same: nothing is used, cooling down, or running. */
  isUntouched(now: number): boolean {
    return (
      this.cooldownUntil <= now &&
      this.#pendingOutput === 0 &&
      this.usedShare(now) === 0 &&
      this.#perDay.every((limit) => limit.isUntouched(now))
    );
  }

  /** The refill in tokens per millisecond; Infinity without a limit per minute. */
  get tokensPerMs(): number {
    return this.#rate(['tokens', 'input', 'output']);
  }

  /** The refill in requests per millisecond; Infinity without a limit per minute. */
  get requestsPerMs(): number {
    return this.#rate(['requests']);
  }

  close(): void {
    for (const limit of this.#limits) limit.close();
  }

  #minuteLimit(dimension: Dimension, limit: number | undefined, burstSeconds: number): MinuteLimit[] {
    const existing = this.#perMinute.find((each) => each.dimension === dimension);
    if (limit === undefined) {
      existing?.close();
      return [];
    }
    existing?.configure({ limit, burstSeconds });
    return [existing ?? new MinuteLimit(this.name, dimension, { limit, burstSeconds }, this.#store)];
  }

  #dailyLimit(dimension: DailyLimit['dimension'], limit: number | undefined): DailyLimit[] {
    const existing = this.#perDay.find((each) => each.dimension === dimension);
    if (limit === undefined) {
      existing?.close();
      return [];
    }
    existing?.configure(limit);
    return [existing ?? new DailyLimit(this.name, dimension, limit, this.#store)];
  }

  #left(dimensions: readonly Dimension[], now: number): number | undefined {
    let least: number | undefined;
    for (const limit of this.#limits) {
      if (!dimensions.includes(limit.dimension)) continue;
      const left = limit.left(now);
      if (least === undefined || left < least) least = left;
    }
    return least;
  }

  #rate(dimensions: readonly Dimension[]): number {
    let rate = Infinity;
    for (const limit of this.#perMinute) {
      if (dimensions.includes(limit.dimension)) rate = Math.min(rate, limit.rate);
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

/** The cost with its output bounded to a share of what the smallest of the quotas can hold. */
export function boundOutput(quotas: readonly Quota[], cost: Cost, share: number): Cost {
  if (share === Infinity) return cost;
  const now = performance.now();
  let depth = Infinity;
  for (const quota of quotas) depth = Math.min(depth, quota.outputDepth(now));
  if (cost.output <= share * depth) return cost;
  return { input: cost.input, output: Math.max(1, Math.floor(share * depth)) };
}

/** The first limit of the quotas that this cost alone exceeds, if any. */
export function exceededBy(quotas: readonly Quota[], cost: Cost): ExceededLimit | undefined {
  for (const quota of quotas) {
    const exceeded = quota.exceededBy(cost);
    if (exceeded) return exceeded;
  }
  return undefined;
}
