import type { Call } from '../call/call';
import type { EndpointSettings } from '../endpoint/endpoint-settings';

export type TokensChargedMode = 'reserved' | 'actual';

/** Providers known to charge prompt + max_tokens at admission, where their headers show a token limit at all. */
const RESERVING_PROVIDERS = new Set(['openai', 'azure']);
/** Pairs of answers that must have been compared before a mode is believed. */
const MIN_PAIRS = 10;
/** Older comparisons count less, a pair. */
const KEEP = 0.95;
/** One mode must explain the headers so much better than the other. */
const MARGIN = 0.7;
/** Answers further apart say more of others than of us. */
const MAX_GAP_MS = 10_000;
/** A bucket fuller than this share of the most it has shown may have run over in between. */
const NEARLY_FULL = 0.95;

/** What this process had asked of the provider when an attempt was sent. */
export interface TokensSentSnapshot {
  readonly at: number;
  /** Tokens charged so far, if the provider keeps what max_tokens reserves. */
  readonly reserved: number;
  /** Tokens charged so far, if it charges only what is used. */
  readonly actual: number;
}

interface RemainingReading extends TokensSentSnapshot {
  readonly remaining: number;
}

/**
 * Learns from the headers what a provider takes from the token quota. Between two answers the remaining tokens fall by
 * what was charged and rise by the refill: of the two modes, the one that explains the fall better is believed. What
 * other processes use looks like more being charged, and so errs towards 'reserved', the safe side.
 */
export class TokensCharged {
  readonly #configured: EndpointSettings['tokensCharged'];
  readonly #provider: string;
  #mode: TokensChargedMode | undefined;
  #reserved = 0;
  #actual = 0;
  #lastReading: RemainingReading | undefined;
  #mostRemaining = 0;
  #pairs = 0;
  #reservedError = 0;
  #actualError = 0;

  constructor({ tokensCharged, provider }: Pick<EndpointSettings, 'tokensCharged' | 'provider'>) {
    this.#configured = tokensCharged;
    this.#provider = provider;
  }

  /** Undefined while nothing is known: then the most is reserved, and what was not used is given back. */
  get mode(): TokensChargedMode | undefined {
    return this.#configured === 'auto' ? this.#mode : this.#configured;
  }

  recordSent(call: Call, now: number): TokensSentSnapshot {
    this.#reserved += call.promptTokens + (call.maxOutputTokens ?? call.expectedOutputTokens);
    this.#actual += call.promptTokens;
    return { at: now, reserved: this.#reserved, actual: this.#actual };
  }

  /** An attempt has produced so many tokens. */
  recordOutput(outputTokens: number): void {
    this.#actual += outputTokens;
  }

  /**
   * @param remaining Tokens that the headers of the marked attempt's answer say were left.
   * @param limit Tokens a minute that they say are allowed, where they say it.
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
