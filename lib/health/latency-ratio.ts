/** Older samples count less, with this time constant. */
const MEMORY_MS = 10_000;
/** So many samples of "as expected" stand in for what is not known yet. */
const PRIOR_WEIGHT = 2;
/** Steadies the slope while calls in flight have hardly varied. */
const VARIANCE_PRIOR = 9;
/** The most that load alone may add to, or take from, the ratio. */
const MAX_LOAD_TERM = 8;
const MIN_LOAD_TERM = -0.5;
const MIN_RATIO = 0.3;
/** How often the calls that are overdue are looked through. */
const OVERDUE_SCAN_MS = 50;

/** A call counts as overdue when it is so many times as old as usual, */
const OVERDUE_THRESHOLD = 1.5;
/** and it is taken to last so many times its age in the end. */
const OVERDUE_EXTRAPOLATION = 1.5;
/** It is news: it counts as so many older observations. */
const OVERDUE_WEIGHT = 3;

/** A call whose first sign of life is still to come. */
interface Pending {
  readonly since: number;
  readonly expectedMs: number;
}

/**
 * How many times slower than its profile an endpoint answers now, as a function of the calls in flight: decayed sums of
 * the ratio y of observed to expected time and of the number n of calls in flight it was seen at give a mean and a
 * slope. Calls that are overdue count already, as slow as they are old: what is learnt only at completion is learnt one
 * service time too late.
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

  /** How many observations there have been. */
  get samples(): number {
    return this.#samples;
  }

  /** A call was sent; its first sign of life is expected after so long. */
  addPending(call: object, expectedMs: number, now: number): void {
    this.#pending.set(call, { since: now, expectedMs: Math.max(1, expectedMs) });
  }

  /** It showed life, or has ended without. */
  removePending(call: object): void {
    this.#pending.delete(call);
  }

  observe(ratio: number, inFlight: number, now: number): void {
    if (!Number.isFinite(ratio) || ratio <= 0) return;
    this.#cachedAt = Number.NaN;
    this.#decay(now);
    // One call in a hundred takes many times as long: it must not pass for the state of the endpoint.
    const y = Math.min(ratio, 20);
    this.#samples++;
    this.#weight += 1;
    this.#y += y;
    this.#n += inFlight;
    this.#nn += inFlight * inFlight;
    this.#ny += inFlight * y;
  }

  /** The ratio to expect of a call sent now, beside `inFlight` others. One moment's answer is worked out once. */
  ratio(inFlight: number, now: number): number {
    if (now !== this.#cachedAt || inFlight !== this.#cachedInFlight) {
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
    const base =
      (this.#y * keep + this.#overdueSum + PRIOR_WEIGHT) / (weight + this.#overdueCount + PRIOR_WEIGHT);
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
      this.#overdueSum += OVERDUE_WEIGHT * Math.min(20, OVERDUE_EXTRAPOLATION * age);
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
