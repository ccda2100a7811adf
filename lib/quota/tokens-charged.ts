import type { Call } from '../call/call';

export type TokensChargedMode = 'reserved' | 'actual';

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

interface RemainingReading extends TokensSentSnapshot {
  readonly remaining: number;
}

export interface TokensChargedOptions {
  readonly tokensCharged: 'auto' | TokensChargedMode;
  readonly provider: string;
}

/**
 * Learns from headers what a provider takes from its token quota. Between two answers the remaining tokens fall by what
 * was charged and rise by the refill; the mode that explains the fall better is accepted. Usage by other processes looks
 * like a larger charge, so the error is towards 'reserved', the safe side.
 */
export class TokensCharged {
  #configured: TokensChargedOptions['tokensCharged'];
  #provider: string;
  #mode: TokensChargedMode | undefined;
  #reserved = 0;
  #actual = 0;
  #lastReading: RemainingReading | undefined;
  #mostRemaining = 0;
  #pairs = 0;
  #reservedError = 0;
  #actualError = 0;

  constructor({ tokensCharged, provider }: TokensChargedOptions) {
    this.#configured = tokensCharged;
    this.#provider = provider;
  }

  /** Takes new options. What was learnt of another provider is forgotten. */
  configure({ tokensCharged, provider }: TokensChargedOptions): void {
    this.#configured = tokensCharged;
    if (provider === this.#provider) return;
    this.#provider = provider;
    this.#mode = undefined;
    this.#lastReading = undefined;
    this.#mostRemaining = 0;
    this.#pairs = 0;
    this.#reservedError = 0;
    this.#actualError = 0;
  }

  /** What the app says; 'auto' if it leaves it to the headers. */
  get configured(): TokensChargedOptions['tokensCharged'] {
    return this.#configured;
  }

  /** Undefined while unknown: then the maximum is reserved, and what was not used is given back. */
  get mode(): TokensChargedMode | undefined {
    return this.#configured === 'auto' ? this.#mode : this.#configured;
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
    if (this.#configured !== 'auto') return;
    this.#mode ??= RESERVING_PROVIDERS.has(this.#provider) ? 'reserved' : undefined;
    this.#mostRemaining = Math.max(this.#mostRemaining, remaining);
    const before = this.#lastReading;
    if (before && snapshot.at <= before.at) return;
    this.#lastReading = { ...snapshot, remaining };
    if (!before || limit === undefined || snapshot.at - before.at > MAX_GAP_MS) return;
    if (Math.max(remaining, before.remaining) > NEARLY_FULL * this.#mostRemaining || remaining === 0) return;
    const charged = before.remaining - remaining + (limit / 60_000) * (snapshot.at - before.at);
    this.#reservedError =
      KEEP * this.#reservedError + Math.abs(charged - (snapshot.reserved - before.reserved));
    this.#actualError = KEEP * this.#actualError + Math.abs(charged - (snapshot.actual - before.actual));
    this.#pairs++;
    if (this.#pairs < MIN_PAIRS) return;
    if (this.#reservedError < MARGIN * this.#actualError) this.#mode = 'reserved';
    else if (this.#actualError < MARGIN * this.#reservedError) this.#mode = 'actual';
  }
}
