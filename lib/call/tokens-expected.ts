import { BoundedMap } from '../util/bounded-map';

/**
 * Expected output tokens before anything is learnt. Real chat traffic has a mean of about 200 output tokens and a long
 * tail.
 */
export const FIRST_GUESS = 300;
/** The least weight of a new sample, so that the estimate follows about the last twenty samples. */
const MIN_GAIN = 0.05;
const MAX_ENTRIES = 10_000;

/**
 * Cap on the variance of the logarithms: the lengths of some calls vary more, but a few outliers must not dominate the
 * estimate.
 */
const MAX_VARIANCE = 1.5;

/** The running mean and variance of the logarithms of output lengths. */
interface Estimate {
  readonly samples: number;
  readonly mean: number;
  readonly variance: number;
}

/**
 * Expected output tokens, learnt per model and tenant from the usage of finished calls: the mean of a log-normal
 * distribution, which one extreme answer changes less than it does an arithmetic mean. A tenant without finished calls
 * gets the estimate of the model over all tenants, in which the nth call of a tenant has a weight of 1/n, so that no
 * tenant dominates it. At most 10,000 estimates are kept; the least recently used is dropped first.
 */
export class ExpectedOutput {
  /** From the least to the most recently used. */
  readonly #estimates = new BoundedMap<string, Estimate>(MAX_ENTRIES);

  /** Learns the output tokens of one finished call. A figure that is not a count is ignored. */
  learn(model: string, tenant: string | undefined, outputTokens: number): void {
    if (!Number.isFinite(outputTokens) || outputTokens < 0) return;
    const log = Math.log(Math.max(1, outputTokens));
    const samples = tenant === undefined ? 1 : this.#learn(keyOf(model, tenant), log, 1);
    this.#learn(keyOf(model, undefined), log, 1 / samples);
  }

  /** Expected output tokens of a call: a whole number of at least 1, but never above `maxOutput`. */
  expect(model: string, tenant: string | undefined, maxOutput = Infinity): number {
    const known =
      this.#estimates.touch(keyOf(model, tenant)) ?? this.#estimates.touch(keyOf(model, undefined));
    if (known === undefined) return Math.min(maxOutput, FIRST_GUESS);
    const mean = Math.exp(known.mean + Math.min(MAX_VARIANCE, known.variance) / 2);
    // The factor keeps rounding errors from raising a whole number to the next one.
    return Math.min(maxOutput, Math.max(1, Math.ceil(mean * (1 - 1e-9))));
  }

  /**
   * Adds a sample. Returns the number of samples so far.
   * @param weight Weight of the sample, relative to a normal one.
   */
  #learn(key: string, log: number, weight: number): number {
    const old = this.#estimates.get(key) ?? { samples: 0, mean: log, variance: 0 };
    const samples = old.samples + weight;
    const gain = weight * Math.max(MIN_GAIN, 1 / samples);
    const difference = log - old.mean;
    this.#estimates.set(key, {
      samples,
      mean: old.mean + gain * difference,
      variance: (1 - gain) * (old.variance + gain * difference ** 2),
    });
    return samples;
  }
}

/** A line break can't be part of a model's name, so no tenant can pass for another model's. */
function keyOf(model: string, tenant: string | undefined): string {
  return tenant === undefined ? model : `${model}\n${tenant}`;
}
