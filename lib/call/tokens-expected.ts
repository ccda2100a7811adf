import { BoundedMap } from '../util/bounded-map';

/** Used before anything is learned. The mean of real chat traffic is about 200 output tokens, with a long tail. */
const DEFAULT_OUTPUT_TOKENS = 300;
/** The average covers all samples at first, and about the last twenty later. */
const MIN_GAIN = 0.05;
const MAX_ENTRIES = 10_000;

interface Estimate {
  readonly samples: number;
  readonly tokens: number;
}

/**
 * Expected output tokens, learned per model and tenant from the usage of finished calls. An unknown tenant gets the
 * average of the model. Holds at most 10,000 pairs and drops the least recently used.
 */
export class ExpectedOutput {
  readonly #estimates = new BoundedMap<string, Estimate>(MAX_ENTRIES);

  /** Adds the output tokens of a finished call to the averages. Invalid counts are ignored. */
  learn(model: string, tenant: string | undefined, outputTokens: number): void {
    if (!Number.isFinite(outputTokens) || outputTokens < 0) return;
    this.#learn(keyOf(model, undefined), outputTokens);
    if (tenant !== undefined) this.#learn(keyOf(model, tenant), outputTokens);
  }

  /** Expected output tokens of a call: an integer of at least 1, and never above `maxOutput`. */
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

/** A model's name can't contain a line break, so no pair can collide with another. */
function keyOf(model: string, tenant: string | undefined): string {
  return tenant === undefined ? model : `${model}\n${tenant}`;
}
