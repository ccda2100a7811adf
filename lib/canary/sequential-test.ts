/**
 * The alternatives that are tested together: the mean of the tested group as a multiple of the comparison group's, and
 * the weight of each alternative. The weights add up to 1.
 */
const ALTERNATIVES: readonly (readonly [ratio: number, weight: number])[] = [
  [1.5, 0.05],
  [2.2, 0.3],
  [3, 0.5],
  [5, 0.1],
  [10, 0.05],
];
/** Number of first observations of the comparison group that serve only to estimate its mean. */
const WARM_UP = 20;
const MIN_MEAN = 1e-4;
const MAX_MEAN = 0.95;

interface Sample {
  count: number;
  sum: number;
}

/**
 * Tests after every observation whether the mean of the tested group is above that of the comparison group ("the
 * others"). The probability of ever rejecting wrongly is at most `alpha`, however often the result is read.
 * Observations are from 0 to 1: a failure is 0 or 1, a quantity is scaled. For each alternative there is an e-value,
 * the likelihood of the alternative over that of one common mean; each block of at least one observation of each group
 * multiplies it. The evidence is the weighted mean of the e-values. While the mean is not above, it stays below 1 /
 * alpha with probability 1 - alpha (Ville's inequality).
 *
 * Source: Turner, Ly and Grünwald, "Generic E-variables for exact sequential k-sample tests that allow for optional
 * stopping", 2024 (arXiv:2106.02693). The bound for observations of 0 and 1 also holds for values in between, since the
 * likelihood ratio is convex in them. The alternatives depend on the observations of earlier blocks, which the paper
 * allows. The test is one-sided, because a lower mean makes the ratio smaller in expectation.
 */
export class SequentialTest {
  readonly #threshold: number;
  readonly #logs = ALTERNATIVES.map(() => 0);
  /** Observations of the comparison group before the current block. */
  readonly #before: Sample = { count: 0, sum: 0 };
  #others: Sample = { count: 0, sum: 0 };
  #own: Sample = { count: 0, sum: 0 };

  /** @param alpha Maximum probability of a false rejection. */
  constructor(alpha: number) {
    this.#threshold = 1 / alpha;
  }

  /** Whether the mean of the tested group is significantly above that of the comparison group. */
  get isRejected(): boolean {
    return this.evidence >= this.#threshold;
  }

  /**
   * How much more likely the observations are if the mean of the tested group is above that of the comparison group.
   * Starts at 1.
   */
  get evidence(): number {
    return ALTERNATIVES.reduce((sum, [, weight], at) => sum + weight * Math.exp(this.#logs[at] ?? 0), 0);
  }

  /** Adds an observation of the comparison group. */
  addOther(value: number): void {
    if (this.#before.count < WARM_UP) {
      this.#before.count++;
      this.#before.sum += value;
      return;
    }
    this.#others.count++;
    this.#others.sum += value;
    if (this.#own.count > 0) this.#endBlock();
  }

  /**
   * Adds an observation of the tested group. Ignored until the comparison group has had {@link WARM_UP} observations.
   */
  add(value: number): void {
    if (this.#before.count < WARM_UP) return;
    this.#own.count++;
    this.#own.sum += value;
    if (this.#others.count > 0) this.#endBlock();
  }

  #endBlock(): void {
    const { count, sum } = this.#before;
    const mean = clamp((sum + 0.25) / (count + 5));
    for (const [at, [ratio]] of ALTERNATIVES.entries())
      this.#logs[at] = (this.#logs[at] ?? 0) + logRatio(this.#own, this.#others, clamp(ratio * mean), mean);
    this.#before.count += this.#others.count;
    this.#before.sum += this.#others.sum;
    this.#own = { count: 0, sum: 0 };
    this.#others = { count: 0, sum: 0 };
  }
}

/**
 * Returns the logarithm of the ratio between the likelihood of two separate means and that of their weighted average.
 */
function logRatio(own: Sample, others: Sample, ownMean: number, othersMean: number): number {
  const common = (own.count * ownMean + others.count * othersMean) / (own.count + others.count);
  return logLikelihood(own, ownMean, common) + logLikelihood(others, othersMean, common);
}

function logLikelihood({ count, sum }: Sample, mean: number, common: number): number {
  return sum * Math.log(mean / common) + (count - sum) * Math.log((1 - mean) / (1 - common));
}

function clamp(mean: number): number {
  return Math.min(MAX_MEAN, Math.max(MIN_MEAN, mean));
}
