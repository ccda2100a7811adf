import type { SiblingSlowness } from './sibling-slowness';

/** Time constant with which samples lose weight, in milliseconds. */
const MEMORY_MS = 10_000;
/**
 * Weight of the prior, in samples. The prior is the ratio of the sibling endpoints, or 1 while nothing is known of
 * them.
 */
const PRIOR_WEIGHT = 2;
/** Added to the variance of the calls in flight, to damp the slope while their number has hardly varied. */
const VARIANCE_PRIOR = 9;
/** Upper and lower bound of what the load adds to the ratio. */
const MAX_LOAD_TERM = 8;
const MIN_LOAD_TERM = -0.5;
const MIN_RATIO = 0.3;
const MAX_RATIO = 20;
/** How often pending attempts are scanned for overdue ones, in milliseconds. */
const OVERDUE_SCAN_MS = 50;
/** How long a ratio is cached, in milliseconds, unless there is a new sample or another number of calls in flight. */
const CACHE_MS = 5;

/** An attempt is overdue once its age exceeds this multiple of its usual time. */
const OVERDUE_THRESHOLD = 1.5;
/** Expected total time of an overdue attempt, as a multiple of its current age. */
const OVERDUE_EXTRAPOLATION = 1.5;
/** Weight of an overdue attempt, in samples: it is newer evidence than completed attempts. */
const OVERDUE_WEIGHT = 3;

/** An attempt that has not yet received its first token or, if it isn't streamed, its answer. */
interface Pending {
  readonly since: number;
  readonly expectedMs: number;
}

/**
 * How many times slower than its baseline an endpoint answers now, as a function of the number of calls in flight: a
 * linear regression over exponentially decayed samples, each with the ratio y of observed to expected time and the
 * number n of calls in flight. Overdue attempts count before they end: a slowdown that is learnt only from completed
 * calls is learnt one service time too late.
 */
export class LatencyRatio {
  #at = performance.now();
  #weight = 0;
  #y = 0;
  #n = 0;
  #nn = 0;
  #ny = 0;
  readonly #pending = new Map<object, Pending>();
  #overdueAt = -Infinity;
  #overdueSum = 0;
  #overdueCount = 0;
  #samples = 0;
  #cachedAt = Number.NaN;
  #cachedInFlight = 0;
  #cachedRatio = 1;
  readonly #siblings: SiblingSlowness | undefined;

  /** @param siblings The endpoints of the same model at the same provider, this one included. */
  constructor(siblings?: SiblingSlowness) {
    this.#siblings = siblings;
  }

  /** Total number of samples. */
  get samples(): number {
    return this.#samples;
  }

  /**
   * Records that an attempt was sent.
   * @param expectedMs Expected milliseconds until its first token, or until its whole answer if it isn't streamed.
   */
  addPending(attempt: object, expectedMs: number, now: number): void {
    this.#pending.set(attempt, { since: now, expectedMs: Math.max(1, expectedMs) });
  }

  /** Records that the attempt has received its first token or has ended. */
  removePending(attempt: object): void {
    this.#pending.delete(attempt);
  }

  observe(ratio: number, inFlight: number, now: number): void {
    if (!Number.isFinite(ratio) || ratio <= 0) return;
    this.#cachedAt = Number.NaN;
    this.#decay(now);
    // One call in a hundred takes many times as long; a single one must not make the endpoint look slow.
    const y = Math.min(ratio, MAX_RATIO);
    this.#samples++;
    this.#weight += 1;
    this.#y += y;
    this.#n += inFlight;
    this.#nn += inFlight * inFlight;
    this.#ny += inFlight * y;
    this.#siblings?.add(y, now);
  }

  /**
   * The expected ratio for a call sent now, while `inFlight` others are running. Cached, because every routing decision
   * reads it.
   */
  ratio(inFlight: number, now: number): number {
    if (!(now - this.#cachedAt < CACHE_MS && now >= this.#cachedAt) || inFlight !== this.#cachedInFlight) {
      this.#cachedAt = now;
      this.#cachedInFlight = inFlight;
      this.#cachedRatio = this.#ratio(inFlight, now);
    }
    return this.#cachedRatio;
  }

  #ratio(inFlight: number, now: number): number {
    this.#scanOverdue(now);
    const keep = Math.exp(-Math.max(0, now - this.#at) / MEMORY_MS);
    const weight = this.#weight * keep;
    const sum = this.#y * keep;
    const prior = PRIOR_WEIGHT * (this.#siblings?.withoutOwn(sum, weight, now) ?? 1);
    const base = (sum + this.#overdueSum + prior) / (weight + this.#overdueCount + PRIOR_WEIGHT);
    return Math.max(MIN_RATIO, base + this.#loadTerm(inFlight, weight, keep));
  }

  #loadTerm(inFlight: number, weight: number, keep: number): number {
    if (weight < 1) return 0;
    const meanN = (this.#n * keep) / weight;
    const meanY = (this.#y * keep) / weight;
    const covariance = (this.#ny * keep) / weight - meanN * meanY;
    const variance = Math.max(0, (this.#nn * keep) / weight - meanN * meanN);
    const slope = Math.max(0, covariance) / (variance + VARIANCE_PRIOR);
    return Math.min(MAX_LOAD_TERM, Math.max(MIN_LOAD_TERM, slope * (inFlight + 1 - meanN)));
  }

  #scanOverdue(now: number): void {
    if (now - this.#overdueAt < OVERDUE_SCAN_MS) return;
    this.#overdueAt = now;
    this.#overdueSum = 0;
    this.#overdueCount = 0;
    if (this.#pending.size === 0) return;
    const usual = this.#weight > 0 ? Math.max(1, this.#y / this.#weight) : 1;
    for (const { since, expectedMs } of this.#pending.values()) {
      const age = (now - since) / expectedMs;
      if (age <= OVERDUE_THRESHOLD * usual) continue;
      this.#overdueSum += OVERDUE_WEIGHT * Math.min(MAX_RATIO, OVERDUE_EXTRAPOLATION * age);
      this.#overdueCount += OVERDUE_WEIGHT;
    }
  }

  #decay(now: number): void {
    const elapsed = now - this.#at;
    if (elapsed <= 0) return;
    const keep = Math.exp(-elapsed / MEMORY_MS);
    this.#at = now;
    this.#weight *= keep;
    this.#y *= keep;
    this.#n *= keep;
    this.#nn *= keep;
    this.#ny *= keep;
  }
}
