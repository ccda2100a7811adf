import type { LimitReading } from '../provider/rate-limits/rate-limit-headers';
import type { GrantRequest } from '../util/grant-request';
import { Cooldown, type Refusal } from './cooldown';
import { type Cost, DIMENSIONS, type Dimension, unitsOf, windowsOf } from './cost';
import { IN_MEMORY, type LimiterStore } from './limiter';
import {
  DailyLimit,
  type ExceededLimit,
  MinuteLimit,
  type QuotaLimit,
  type QuotaSnapshot,
  type SentAttempt,
} from './limits';
import type { QuotaLimits } from './options';
import { QuotaFigures } from './quota-figures';

/** Requests to Redis for the units of an attempt, by limit: still waiting, granted or refused. */
export type Grants = Map<QuotaLimit, GrantRequest>;

/**
 * The requests and tokens that a key or an account may still take, per minute and per day. Synchronous, and decides
 * within microseconds.
 */
export class Quota {
  readonly #store: LimiterStore;
  readonly #cooldown = new Cooldown();
  #perMinute: readonly MinuteLimit[] = [];
  #perDay: readonly DailyLimit[] = [];
  #limits: readonly QuotaLimit[] = [];
  #figures = new QuotaFigures([], true);
  /** Output tokens reserved by running attempts; some providers charge them only as they are produced. */
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

  /** Changes the limits. Keeps levels, debts and cooldowns. */
  configure(limits: QuotaLimits, burstSeconds: number): void {
    const { rpm, tpm, inputTpm, outputTpm, rpd, tpd } = limits;
    const perMinute = { requests: rpm, tokens: tpm, input: inputTpm, output: outputTpm };
    const perDay = { requests: rpd, tokens: tpd };
    this.#perMinute = DIMENSIONS.flatMap((dimension) => {
      const limit = perMinute[dimension];
      const options = limit === undefined ? undefined : { limit, burstSeconds };
      const existing = this.#perMinute.find((each) => each.dimension === dimension);
      return reconfigured(existing, options, (o) => new MinuteLimit(this.name, dimension, o, this.#store));
    });
    this.#perDay = (['requests', 'tokens'] as const).flatMap((dimension) => {
      const existing = this.#perDay.find((each) => each.dimension === dimension);
      const limit = perDay[dimension];
      return reconfigured(
        existing,
        limit,
        (units) => new DailyLimit(this.name, dimension, units, this.#store),
      );
    });
    this.#limits = [...this.#perMinute, ...this.#perDay];
    this.#figures = new QuotaFigures(this.#limits, this.#store === IN_MEMORY);
  }

  /** End of the latest cooldown, on the clock of performance.now(); 0 before the first. */
  get cooldownUntil(): number {
    return this.#cooldown.until;
  }

  /** Starts a cooldown until `until` after a peer has reported a 429. */
  coolDownOnReport(until: number, now: number): void {
    this.#cooldown.startAfterReport(until, now);
  }

  endCooldown(): void {
    this.#cooldown.end();
  }

  /** Records that a call that took from this quota was served. */
  recordSuccess(): void {
    this.#cooldown.recordSuccess();
  }

  /** Milliseconds until the cost can be taken; Infinity if it never can. */
  waitMs(cost: Cost, now: number): number {
    if (this.#figures.hasRoom(cost, now)) return 0;
    let waitMs = 0;
    for (const limit of this.#limits) {
      const ms = limit.waitMs(unitsOf(limit.dimension, cost), now, 'calls');
      if (ms > waitMs) waitMs = ms;
    }
    return waitMs;
  }

  /**
   * Claims the cost for the next queued call, so that it gets its turn. Limiters in Redis may fetch it ahead of time.
   */
  prefetch(cost: Cost, now: number): void {
    for (const limit of this.#perMinute) limit.claim(unitsOf(limit.dimension, cost), now, 'calls');
  }

  /**
   * The limits that units of this dimension count towards. Input and output tokens also count towards a limit on all
   * tokens.
   */
  limitsOf(dimension: Dimension): readonly QuotaLimit[] {
    const counts = (own: Dimension) => own === dimension || (own === 'tokens' && dimension !== 'requests');
    return this.#limits.filter((limit) => counts(limit.dimension));
  }

  /** The limit that this cost alone exceeds, if any: such a call can never be served as it is. */
  exceededBy(cost: Cost): ExceededLimit | undefined {
    if (this.#figures.allows(cost)) return undefined;
    for (const { dimension, name, allowed } of this.#limits) {
      const units = unitsOf(dimension, cost);
      if (units > allowed) return { limit: name, units, allowed };
    }
    return undefined;
  }

  /**
   * The output tokens that the smallest of the quota's buckets can hold, or that are left of a daily limit if fewer;
   * Infinity without a limit.
   */
  outputDepth(now: number): number {
    let depth = Infinity;
    for (const limit of this.#limits) depth = Math.min(depth, limit.outputDepth(now));
    return depth;
  }

  /**
   * Takes the cost.
   * @param grants Receives the requests of limiters that must ask Redis first.
   */
  take(cost: Cost, now: number, grants?: Grants): void {
    this.#pendingOutput += cost.output;
    for (const limit of this.#limits) {
      const request = limit.take(unitsOf(limit.dimension, cost), now, 'calls');
      if (request) grants?.set(limit, request);
    }
  }

  /** Records the end of an attempt: none of its output is pending any more. */
  finishAttempt(cost: Cost): void {
    this.#pendingOutput = Math.max(0, this.#pendingOutput - cost.output);
  }

  /**
   * Returns tokens that were taken at `takenAt`; a negative amount takes more.
   * @param requests Requests to return: 1 only if the attempt was never admitted.
   * @param grants The attempt's requests to Redis. A limiter that refused its request has already returned its units.
   */
  adjust(back: Cost, requests: 0 | 1, now: number, takenAt: number, grants?: Grants): void {
    for (const limit of this.#limits) {
      if (grants?.get(limit)?.state === 'refused') continue;
      const units = limit.dimension === 'requests' ? requests : unitsOf(limit.dimension, back);
      if (units > 0) limit.put(units, now, takenAt);
      else if (units < 0) limit.overdraw(-units, now);
    }
  }

  snapshot(now: number): QuotaSnapshot {
    const snapshot: QuotaSnapshot = {};
    for (const limit of this.#perMinute) snapshot[limit.dimension] = limit.snapshot(now, this.#pendingOutput);
    return snapshot;
  }

  /**
   * Corrects the levels from response headers.
   * @param snapshot The levels when the attempt was sent.
   * @param served What the attempt certainly took: its prompt.
   */
  correct(snapshot: QuotaSnapshot, reading: LimitReading, served: Cost, now: number): void {
    const windows = windowsOf(reading);
    for (const limit of this.#perMinute) limit.correct(snapshot, windows, served, now);
  }

  /** Handles a 429 after the attempt's reservation has been returned: starts a cooldown and corrects the levels. */
  recordRefusal(refusal: Refusal, now: number, attempt?: SentAttempt): void {
    this.#cooldown.startAfterRefusal(refusal, now);
    const windows = refusal.reading && windowsOf(refusal.reading);
    for (const limit of this.#perMinute) limit.recordRefusal(windows, now, attempt);
  }

  /** Requests left; undefined without a limit, negative while a debt is being paid off. */
  requestsLeft(now: number): number | undefined {
    return this.#left(['requests'], now);
  }

  /**
   * Tokens left in the scarcest limit on tokens; undefined without a limit, negative while a debt is being paid off.
   */
  tokensLeft(now: number): number | undefined {
    return this.#left(['tokens', 'input', 'output'], now);
  }

  /** Used share of the scarcest limit per minute, 0 to 1. */
  usedShare(now: number): number {
    return this.#figures.usedShare(now);
  }

  /**
   * Whether the quota is in its initial state: nothing is used, cooling down, or running. It can then be replaced by a
   * new one.
   */
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

/** Returns the existing limit with new options, or a new limit; an empty array if it is no longer configured. */
function reconfigured<O, L extends { configure(options: O): void; close(): void }>(
  existing: L | undefined,
  options: O | undefined,
  create: (options: O) => L,
): L[] {
  if (options === undefined) existing?.close();
  else existing?.configure(options);
  return options === undefined ? [] : [existing ?? create(options)];
}
