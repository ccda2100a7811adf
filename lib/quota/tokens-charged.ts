import type { Call } from '../call/call';

/** Providers known to charge prompt + max_tokens at admission, where their headers show a token limit at all. */
const RESERVING_PROVIDERS = new Set(['openai', 'azure']);
/** Pairs of answers that must be compared before a mode is accepted. */
const MIN_PAIRS = 10;
/** The weight that each new pair leaves to the older ones. */
const KEEP = 0.95;
/** The error of one mode must be below this share of the other's. */
const MARGIN = 0.7;
/** Between attempts further apart, other users of the key explain more than our own calls. */
const MAX_GAP_MS = 10_000;
/** A provider's bucket above this share of the most it has shown may have been full in between. */
const NEARLY_FULL = 0.95;

/** Tokens that this process had asked the provider for when an attempt was sent. */
export interface TokensSentSnapshot {
  readonly at: number;
  /** Tokens charged so far if the provider keeps what max_tokens reserves. */
  readonly reserved: number;
  /** Tokens charged so far if it charges only what is used. */
  readonly actual: number;
}

type Mode = 'reserved' | 'actual';

interface TokensChargedOptions {
  readonly tokensCharged: 'auto' | Mode;
  readonly provider: string;
}

/** What the headers of one provider have shown. */
class Evidence {
  mode: Mode | undefined;
  lastReading: (TokensSentSnapshot & { readonly remaining: number }) | undefined;
  mostRemaining = 0;
  pairs = 0;
  reservedError = 0;
  actualError = 0;
}

/**
 * Learns from headers what a provider takes from its token quota. Between two answers the remaining tokens fall by what
 * was charged and rise by the refill; the mode that explains the fall better is accepted. Usage by other processes looks
 * like a larger charge, so the error is towards 'reserved', the safe side.
 */
export class TokensCharged {
  #options: TokensChargedOptions;
  #evidence = new Evidence();
  #reserved = 0;
  #actual = 0;

  constructor(options: TokensChargedOptions) {
    this.#options = options;
  }

  /** Takes new options. What was learnt of another provider is forgotten. */
  configure(options: TokensChargedOptions): void {
    if (options.provider !== this.#options.provider) this.#evidence = new Evidence();
    this.#options = options;
  }

  /** What the app says; 'auto' if it leaves it to the headers. */
  get configured(): 'auto' | Mode {
    return this.#options.tokensCharged;
  }

  /** Undefined while unknown: then the maximum is reserved, and what was not used is given back. */
  get mode(): Mode | undefined {
    return this.configured === 'auto' ? this.#evidence.mode : this.configured;
  }

  recordSent(call: Call, now: number): TokensSentSnapshot {
    this.#reserved += call.promptTokens + (call.maxOutputTokens ?? call.expectedOutputTokens);
    this.#actual += call.promptTokens;
    return { at: now, reserved: this.#reserved, actual: this.#actual };
  }

  /** An attempt has produced output tokens. */
  recordOutput(outputTokens: number): void {
    this.#actual += outputTokens;
  }

  /**
   * @param remaining Tokens left, from the headers of the attempt's answer.
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
