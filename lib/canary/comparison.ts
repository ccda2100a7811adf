import type { ResolvedCanary } from './options';
import { SequentialTest } from './sequential-test';

/** The greatest probability of a false rejection of each test: together 5 %. Failures must be found soonest. */
const ALPHA = { errors: 0.04, p95: 0.005, cost: 0.0025, score: 0.0025 } as const;
/** Durations of the others that are kept to find their 95th percentile, and how many must be known. */
const MAX_DURATIONS = 500;
const MIN_DURATIONS = 60;
/** The percentile is found again after this many. */
const DURATIONS_PER_STEP = 20;
/** A cost counts up to this multiple of the others' mean. */
const MAX_COST_RATIO = 5;
const MIN_COSTS = 20;

export type Metric = keyof typeof ALPHA;

/** Compares the canary's calls with the others' by failures, durations, cost and score. */
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

  /** The first metric in which the canary is worse than allowed, beyond doubt. */
  get worse(): Metric | undefined {
    return (Object.keys(ALPHA) as Metric[]).find(
      (metric) => this.#guard[metric] !== false && this.#tests[metric].isRejected,
    );
  }

  addOutcome(isCanary: boolean, hasFailed: boolean): void {
    this.#add('errors', isCanary, hasFailed ? 1 : 0);
  }

  /** A duration counts by whether it is above the 95th percentile of the others, for the canary times what is allowed. */
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

  /** @param score 0 to 1. */
  addScore(isCanary: boolean, score: number): void {
    this.#add('score', isCanary, 1 - score);
  }

  /** A multiple that is allowed makes the canary's observations smaller by it. */
  #add(metric: Metric, isCanary: boolean, value: number): void {
    const factor = this.#guard[metric];
    if (factor === false) return;
    if (isCanary) this.#tests[metric].add(value / Math.max(1, factor));
    else this.#tests[metric].addOther(value);
  }
}
