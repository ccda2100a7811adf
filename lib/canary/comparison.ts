import type { ResolvedCanary } from './options';
import { SequentialTest } from './sequential-test';

/**
 * Maximum probability of a false rejection of each test, 5 % in total. Failures have the largest share, so that they
 * are detected first.
 */
const ALPHA = { errors: 0.04, p95: 0.005, cost: 0.0025, score: 0.0025 } as const;
/** Number of latest durations of calls outside the canary from which their 95th percentile is computed. */
const MAX_DURATIONS = 500;
/** Number of durations of calls outside the canary that must be known before durations are compared. */
const MIN_DURATIONS = 60;
/** Number of new durations of calls outside the canary after which their percentile is computed again. */
const DURATIONS_PER_STEP = 20;
/** Cap on the cost of a call in the comparison, as a multiple of the mean cost of calls outside the canary. */
const MAX_COST_RATIO = 5;
/** Number of costs of calls outside the canary that must be known before costs are compared. */
const MIN_COSTS = 20;

export type Metric = keyof typeof ALPHA;

/** Compares the canary's calls with the other calls by failures, durations, cost and score. */
export class Comparison {
  readonly #guard: ResolvedCanary['guard'];
  readonly #tests: Record<Metric, SequentialTest>;
  #durations: number[] = [];
  #added = 0;
  #p95Ms: number | undefined;
  #costs = { count: 0, sum: 0 };

  constructor(guard: ResolvedCanary['guard']) {
    this.#guard = guard;
    this.#tests = {
      errors: new SequentialTest(ALPHA.errors),
      p95: new SequentialTest(ALPHA.p95),
      cost: new SequentialTest(ALPHA.cost),
      score: new SequentialTest(ALPHA.score),
    };
  }

  /** The first metric in which the canary is significantly worse than the guard allows; undefined if there is none. */
  get worse(): Metric | undefined {
    return (Object.keys(ALPHA) as Metric[]).find(
      (metric) => this.#guard[metric] !== false && this.#tests[metric].isRejected,
    );
  }

  addOutcome(isCanary: boolean, hasFailed: boolean): void {
    this.#add('errors', isCanary, hasFailed ? 1 : 0);
  }

  /**
   * Counts whether a duration exceeds the 95th percentile of calls outside the canary. For a call of the canary, the
   * limit is that percentile times the factor that the guard allows.
   */
  addDuration(isCanary: boolean, ms: number): void {
    const { p95: factor } = this.#guard;
    if (factor === false) return;
    if (this.#p95Ms !== undefined) {
      const limitMs = isCanary ? Math.max(1, factor) * this.#p95Ms : this.#p95Ms;
      this.#tests.p95[isCanary ? 'add' : 'addOther'](ms > limitMs ? 1 : 0);
    }
    if (isCanary) return;
    this.#durations.push(ms);
    if (this.#durations.length > MAX_DURATIONS) this.#durations.shift();
    if (++this.#added < MIN_DURATIONS || this.#added % DURATIONS_PER_STEP > 0) return;
    const sorted = [...this.#durations].sort((a, b) => a - b);
    this.#p95Ms = sorted[Math.floor(0.95 * (sorted.length - 1))];
  }

  addCost(isCanary: boolean, usd: number): void {
    const { count, sum } = this.#costs;
    if (count >= MIN_COSTS && sum > 0)
      this.#add('cost', isCanary, Math.min(1, usd / ((MAX_COST_RATIO * sum) / count)));
    if (!isCanary) this.#costs = { count: count + 1, sum: sum + usd };
  }

  /** @param score From 0 to 1, the best. */
  addScore(isCanary: boolean, score: number): void {
    this.#add('score', isCanary, 1 - score);
  }

  /**
   * Adds an observation to the test of a metric. An observation of the canary is divided by the factor that the guard
   * allows.
   */
  #add(metric: Metric, isCanary: boolean, value: number): void {
    const factor = this.#guard[metric];
    if (factor === false) return;
    if (isCanary) this.#tests[metric].add(value / Math.max(1, factor));
    else this.#tests[metric].addOther(value);
  }
}
