/** The alternatives that are tested at once, as multiples of the others' mean, and their weights, which add up to 1. */
const ALTERNATIVES: readonly (readonly [ratio: number, weight: number])[] = [
  [1.5, 0.05],
  [2.2, 0.3],
  [3, 0.5],
  [5, 0.1],
  [10, 0.05],
];
/** Observations of the others that only tell what is normal. */
const WARM_UP = 20;
const MIN_MEAN = 1e-4;
const MAX_MEAN = 0.95;

interface Sample {
  count: number;
  sum: number;
}

/**
 * Whether the mean of one group is above that of another, tested after every observation: the chance to ever reject wrongly
 * is at most `alpha`, however often and however long it is asked. Observations are from 0 to 1: failures are 0 or 1, and a
 * quantity is scaled. A block of one or more observations of each group multiplies, for each alternative, an e-value: its
 * likelihood over that of one common mean. The evidence is their weighted mean, so it stays below 1 / alpha with
 * probability 1 - alpha while the mean is not above (Ville's inequality).
 *
 * Turner, Ly and Grünwald, "Generic E-variables for exact sequential k-sample tests that allow for optional stopping", 2024
 * (arXiv:2106.02693). For values between 0 and 1 it holds as for 0 and 1, since the likelihood ratio is convex in them. The
 * alternatives follow the observations of earlier blocks, which the paper allows. It is one-sided, because a lower mean
 * makes the ratio smaller in expectation.
 */
export class SequentialTest {
  readonly #threshold: number;
  readonly #logs = ALTERNATIVES.map(() => 0);
  /** The others before the present block. */
  readonly #before: Sample = { count: 0, sum: 0 };
  #others: Sample = { count: 0, sum: 0 };
  #own: Sample = { count: 0, sum: 0 };

  /** @param alpha The greatest probability of a false rejection. */
  constructor(alpha: number) {
    this.#threshold = 1 / alpha;
  }

  /** Whether the mean is above the others' beyond doubt. */
  get isRejected(): boolean {
    return this.evidence >= this.#threshold;
  }

  /** How much more likely the observations are if the mean is above: 1 at first. */
  get evidence(): number {
    return ALTERNATIVES.reduce((sum, [, weight], at) => sum + weight * Math.exp(this.#logs[at] ?? 0), 0);
  }

  /** An observation of the others. */
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

  /** An observation of the group that is tested. */
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

/** The logarithm of the likelihood of two means over that of one mean for both, their weighted average. */
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
