import type { Call } from '../call/call';

/** Providers known to charge prompt + max_tokens at admission, if their headers show a token limit at all. */
const RESERVING_PROVIDERS = new Set(['openai', 'azure']);
/** Number of pairs of consecutive responses that must be compared before a mode is accepted. */
const MIN_PAIRS = 10;
/** Factor by which each new pair reduces the weight of older ones. */
const KEEP = 0.95;
/** A mode is accepted if its error is below this share of the other mode's error. */
const MARGIN = 0.7;
/**
 * Pairs of attempts further apart than this, in milliseconds, are ignored: other users of the key explain more of the
 * difference than our own calls.
 */
const MAX_GAP_MS = 10_000;
/**
 * Pairs are ignored if the remaining tokens exceed this share of the most ever shown: the bucket may have been full in
 * between.
 */
const NEARLY_FULL = 0.95;

/** Running totals of tokens that this process had sent to the provider when an attempt was sent. */
export interface TokensSentSnapshot {
  readonly at: number;
  /** Tokens charged so far if the provider charges prompt + max_tokens and refunds nothing. */
  readonly reserved: number;
  /** Tokens charged so far if the provider charges only what is used. */
  readonly actual: number;
}

type Mode = 'reserved' | 'actual';

interface TokensChargedOptions {
  readonly tokensCharged: 'auto' | Mode;
  readonly provider: string;
}

/** What has been learnt from the headers of one provider. */
class Evidence {
  mode: Mode | undefined;
  lastReading: (TokensSentSnapshot & { readonly remaining: number }) | undefined;
  mostRemaining = 0;
  pairs = 0;
  reservedError = 0;
  actualError = 0;
}

/**
 * Learns from headers what a provider charges against its token limit. Between two responses the remaining tokens fall
 * by what was charged and rise by the refill; the mode ('reserved' or 'actual') that explains the fall better is
 * accepted. Usage by other processes looks like a larger charge, so errors lean towards 'reserved', the safe side.
 */
export class TokensCharged {
  #options: TokensChargedOptions;
  #evidence = new Evidence();
  #reserved = 0;
  #actual = 0;

  constructor(options: TokensChargedOptions) {
    this.#options = options;
  }

  /** Applies new options. Forgets what was learnt if the provider has changed. */
  configure(options: TokensChargedOptions): void {
    if (options.provider !== this.#options.provider) this.#evidence = new Evidence();
    this.#options = options;
  }

  /** The configured mode; 'auto' if it is learnt from headers. */
  get configured(): 'auto' | Mode {
    return this.#options.tokensCharged;
  }

  /** Undefined while unknown: then the maximum is reserved, and what was not used is returned. */
  get mode(): Mode | undefined {
    return this.configured === 'auto' ? this.#evidence.mode : this.configured;
  }

  recordSent(call: Call, now: number): TokensSentSnapshot {
    this.#reserved += call.promptTokens + (call.maxOutputTokens ?? call.expectedOutputTokens);
    this.#actual += call.promptTokens;
    return { at: now, reserved: this.#reserved, actual: this.#actual };
  }

  /** Records output tokens that an attempt has produced. */
  recordOutput(outputTokens: number): void {
    this.#actual += outputTokens;
  }

  /**
   * @param remaining Tokens left, from the response headers of the attempt.
   * @param limit Tokens per minute, from the same headers.
   */
  observeRemaining(snapshot: TokensSentSnapshot, remaining: number, limit: number | undefined): void {
    if (this.configured !== 'auto') return;
    const evidence = this.#evidence;
    evidence.mode ??= RESERVING_PROVIDERS.has(this.#options.provider) ? 'reserved' : undefined;
    evidence.mostRemaining = Math.max(evidence.mostRemaining, remaining);
    const before = evidence.lastReading;
    if (before && snapshot.at <= before.at) return;
    const { at, reserved, actual } = snapshot;
    evidence.lastReading = { at, reserved, actual, remaining };
    if (!before || limit === undefined || snapshot.at - before.at > MAX_GAP_MS) return;
    if (Math.max(remaining, before.remaining) > NEARLY_FULL * evidence.mostRemaining || remaining === 0)
      return;
    const charged = before.remaining - remaining + (limit / 60_000) * (snapshot.at - before.at);
    const reservedError = Math.abs(charged - (snapshot.reserved - before.reserved));
    const actualError = Math.abs(charged - (snapshot.actual - before.actual));
    evidence.reservedError = KEEP * evidence.reservedError + reservedError;
    evidence.actualError = KEEP * evidence.actualError + actualError;
    evidence.pairs++;
    if (evidence.pairs < MIN_PAIRS) return;
    if (evidence.reservedError < MARGIN * evidence.actualError) evidence.mode = 'reserved';
    else if (evidence.actualError < MARGIN * evidence.reservedError) evidence.mode = 'actual';
  }
}
