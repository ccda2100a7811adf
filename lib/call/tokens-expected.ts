import { BoundedMap } from '../util/bounded-map';

/** Before anything is learnt. Real chat traffic has a mean of some 200 output tokens and a long tail. */
const DEFAULT_OUTPUT_TOKENS = 300;
/** A mean over all samples at first, over about the last twenty later on. */
const MIN_GAIN = 0.05;
const MAX_ENTRIES = 10_000;

interface Estimate {
  readonly samples: number;
  readonly tokens: number;
}

/**
 * How many output tokens to expect, learnt per model and tenant from the usage of finished calls. A tenant not seen yet
 * gets the model's mean. Bounded: of more than 10,000 pairs the least recently used is forgotten.
 */
export class ExpectedOutput {
  /** In order of use, the oldest first. */
  readonly #estimates = new BoundedMap<string, Estimate>(MAX_ENTRIES);

  /** Takes the output tokens of one finished call into the running mean. Figures that are no counts are ignored. */
  learn(model: string, tenant: string | undefined, outputTokens: number): void {
    if (!Number.isFinite(outputTokens) || outputTokens < 0) return;
    this.#learn(keyOf(model, undefined), outputTokens);
    if (tenant !== undefined) this.#learn(keyOf(model, tenant), outputTokens);
  }

  /** Expected output tokens of a call: a whole number of at least 1, and never above `maxOutput`. */
  expect(model: string, tenant: string | undefined, maxOutput = Infinity): number {
    const known =
      this.#estimates.touch(keyOf(model, tenant)) ?? this.#estimates.touch(keyOf(model, undefined));
    const expected = Math.max(1, Math.ceil(known?.tokens ?? DEFAULT_OUTPUT_TOKENS));
    return maxOutput < expected ? maxOutput : expected;
  }

  #learn(key: string, outputTokens: number): void {
    const old = this.#estimates.get(key) ?? { samples: 0, tokens: 0 };
    const samples = old.samples + 1;
    const gain = Math.max(MIN_GAIN, 1 / samples);
    this.#estimates.set(key, { samples, tokens: old.tokens + gain * (outputTokens - old.tokens) });
  }
}

/** A line break can't be part of a model's name, so no tenant can pass for another model's. */
function keyOf(model: string, tenant: string | undefined): string {
  return tenant === undefined ? model : `${model}\n${tenant}`;
}
