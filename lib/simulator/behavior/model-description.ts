/** How one model of a simulated provider behaves. Every field is optional and can be written as JSON. */
export interface ModelDescription {
  /** Requests per minute and key. Default: no limit. */
  rpm?: number;
  /** Tokens per minute and key. Default: no limit. */
  tpm?: number;
  /** Time to first token of an unloaded model with an empty prompt, in milliseconds. Default 400. */
  ttftMs?: number;
  /** Milliseconds per token of the answer. Default 10. */
  msPerOutputToken?: number;
  /** Milliseconds per token of the prompt. Default 0.05. */
  msPerPromptToken?: number;
  /**
   * How calls count against `tpm`. 'reserved': prompt + max_tokens at admission, without a refund, and a refused call
   * still uses up a request. 'actual': the prompt at admission and the output while it is generated; calls without
   * max_tokens always count this way. Default 'actual'.
   */
  tokensCharged?: 'reserved' | 'actual';
  /** Depth of both buckets, in seconds of the limit. Default 60. */
  bucketSeconds?: number;
  /** Whether answers carry x-ratelimit-* headers, or those of the request's API. Default true. */
  sendsRateLimitHeaders?: boolean;
  /** Number of calls in flight above which the model slows down. Default: Infinity, it never slows down. */
  comfortableInFlight?: number;
  /** USD per million tokens. Default 0 for both. */
  price?: {
    /** USD per million prompt tokens. */
    input: number;
    /** USD per million output tokens. */
    output: number;
  };
  /** Maximum of prompt + max_tokens; a longer call gets 400 context_length_exceeded. Default: no limit. */
  contextWindow?: number;
}

/** A model description with every default filled in. */
export type ModelProfile = Required<ModelDescription>;

/** The defaults of every field of ModelDescription. */
export const MODEL_DEFAULTS: Readonly<ModelProfile> = Object.freeze({
  rpm: Infinity,
  tpm: Infinity,
  ttftMs: 400,
  msPerOutputToken: 10,
  msPerPromptToken: 0.05,
  tokensCharged: 'actual',
  bucketSeconds: 60,
  sendsRateLimitHeaders: true,
  comfortableInFlight: Infinity,
  price: Object.freeze({ input: 0, output: 0 }),
  contextWindow: Infinity,
});

const MUST_BE_POSITIVE = ['rpm', 'tpm', 'bucketSeconds', 'comfortableInFlight', 'contextWindow'] as const;
const MUST_NOT_BE_NEGATIVE = ['ttftMs', 'msPerOutputToken', 'msPerPromptToken'] as const;

/** Fills in the defaults. Throws a TypeError that names the field if a value is invalid. */
export function profileOf(model: string, description: ModelDescription): ModelProfile {
  for (const field of Object.keys(description)) {
    if (!(field in MODEL_DEFAULTS)) throw new TypeError(`models["${model}"].${field} is not an option`);
  }
  const given = Object.fromEntries(Object.entries(description).filter(([, value]) => value != null));
  const profile: ModelProfile = { ...MODEL_DEFAULTS, ...given };
  for (const field of MUST_BE_POSITIVE) check(model, field, profile[field], profile[field] > 0, 'above 0');
  for (const field of MUST_NOT_BE_NEGATIVE) {
    check(model, field, profile[field], profile[field] >= 0 && profile[field] < Infinity, 'of at least 0');
  }
  for (const side of ['input', 'output'] as const) {
    check(model, `price.${side}`, profile.price[side], profile.price[side] >= 0, 'of at least 0');
  }
  return profile;
}

function check(model: string, field: string, got: unknown, good: boolean, expected: string): void {
  if (typeof got === 'number' && good) return;
  throw new TypeError(`models["${model}"].${field}: expected a number ${expected}, got ${String(got)}`);
}
