/** How one model of a simulated provider behaves. Everything is optional and can be written as JSON. */
export interface ModelDescription {
  /** Requests a minute, for each key. Default: no limit. */
  rpm?: number;
  /** Tokens a minute, for each key. Default: no limit. */
  tpm?: number;
  /** Time to first token at rest, ms, before the prompt is read. Default 400. */
  ttftMs?: number;
  /** Milliseconds for each token of the answer. Default 10. */
  msPerOutputToken?: number;
  /** Milliseconds for each token of the prompt. Default 0.05. */
  msPerPromptToken?: number;
  /**
   * 'reserved': prompt + max_tokens at admission, not refunded, and a refused call still burns a request.
   * 'actual': the prompt at admission, the output as it is produced. A call without max_tokens is charged so
   * in either case. Default 'actual'.
   */
  tokensCharged?: 'reserved' | 'actual';
  /** Depth of both buckets, in seconds of the limit. Default 60. */
  bucketSeconds?: number;
  /** Whether answers carry x-ratelimit-* headers. Default true. */
  sendsRateLimitHeaders?: boolean;
  /** Calls in flight beyond which everything slows down. Default: it never does. */
  comfortableInFlight?: number;
  /** USD per million tokens. Default 0. */
  price?: { input: number; output: number };
  /** Prompt and max_tokens together; a longer call is answered 400 context_length_exceeded. Default: no limit. */
  contextWindow?: number;
}

export type ModelProfile = Required<ModelDescription>;

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

/** Fills in the defaults. Throws a TypeError that names the field for a number that can't be. */
export function profileOf(model: string, description: ModelDescription): ModelProfile {
  for (const field of Object.keys(description)) {
    if (!(field in MODEL_DEFAULTS)) throw new TypeError(`models["${model}"].${field} is not an option`);
  }
  const given = Object.fromEntries(Object.entries(description).filter(([, value]) => value != null));
  const profile: ModelProfile = { ...MODEL_DEFAULTS, ...given };
  for (const field of MUST_BE_POSITIVE) check(model, field, profile[field], profile[field] > 0, 'above 0');
  for (const field of MUST_NOT_BE_NEGATIVE) {
    check(model, field, profile[field], profile[field] >= 0 && profile[field] < Infinity, 'of 0 or more');
  }
  for (const side of ['input', 'output'] as const) {
    check(model, `price.${side}`, profile.price[side], profile.price[side] >= 0, 'of 0 or more');
  }
  return profile;
}

function check(model: string, field: string, got: unknown, good: boolean, expected: string): void {
  if (typeof got === 'number' && good) return;
  throw new TypeError(`models["${model}"].${field}: expected a number ${expected}, got ${String(got)}`);
}
