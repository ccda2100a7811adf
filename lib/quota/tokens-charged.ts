import type { Call } from '../call/call';
import type { EndpointSettings } from '../endpoint/endpoint-settings';

export type ChargingMode = 'reserved' | 'actual';

/** Providers known to charge prompt + max_tokens at admission, where their headers show a token limit at all. */
const RESERVING = new Set(['openai', 'azure']);
/** Pairs of answers that must have been compared before a mode is believed. */
const LEAST_PAIRS = 10;
/** Older comparisons count less, a pair. */
const KEEP = 0.95;
/** One mode must explain the headers so much better than the other. */
const MARGIN = 0.7;
/** Answers further apart say more of others than of us. */
const LONGEST_GAP_MS = 10_000;
/** A bucket fuller than this share of the most it has shown may have run over in between. */
const NEARLY_FULL = 0.95;

/** What this process had asked of the provider when an attempt was sent. */
export interface ChargeMark {
  readonly at: number;
  /** Tokens charged so far, if the provider keeps what max_tokens reserves. */
  readonly reserved: number;
  /** Tokens charged so far, if it charges only what is used. */
  readonly actual: number;
}

interface Heard extends ChargeMark {
  readonly remaining: number;
}

/**
 * Learns from the headers what a provider takes from the token quota. Between two answers the remaining tokens fall by
 * what was charged and rise by the refill: of the two modes, the one that explains the fall better is believed. What
 * other processes use looks like more being charged, and so errs towards 'reserved', the safe side.
 */
export class Charging {
  readonly #said: EndpointSettings['tokensCharged'];
  readonly #provider: string;
  #mode: ChargingMode | undefined;
  #reserved = 0;
  #actual = 0;
  #heard: Heard | undefined;
  #mostRemaining = 0;
  #pairs = 0;
  #missedByReserved = 0;
  #missedByActual = 0;

  constructor({ tokensCharged, provider }: Pick<EndpointSettings, 'tokensCharged' | 'provider'>) {
    this.#said = tokensCharged;
    this.#provider = provider;
  }

  /** Undefined while nothing is known: then the most is reserved, and what was not used is given back. */
  get mode(): ChargingMode | undefined {
    return this.#said === 'auto' ? this.#mode : this.#said;
  }

  sent(call: Call, now: number): ChargeMark {
    this.#reserved += call.promptTokens + (call.maxOutputTokens ?? call.expectedOutputTokens);
    this.#actual += call.promptTokens;
    return { at: now, reserved: this.#reserved, actual: this.#actual };
  }

  /** An attempt has produced so many tokens. */
  produced(outputTokens: number): void {
    this.#actual += outputTokens;
  }

  /**
   * @param remaining Tokens that the headers of the marked attempt's answer say were left.
   * @param limit Tokens a minute that they say are allowed, where they say it.
   */
  heard(mark: ChargeMark, remaining: number, limit: number | undefined): void {
    if (this.#said !== 'auto') return;
    this.#mode ??= RESERVING.has(this.#provider) ? 'reserved' : undefined;
    this.#mostRemaining = Math.max(this.#mostRemaining, remaining);
    const before = this.#heard;
    if (before && mark.at <= before.at) return;
    this.#heard = { ...mark, remaining };
    if (!before || limit === undefined || mark.at - before.at > LONGEST_GAP_MS) return;
    if (Math.max(remaining, before.remaining) > NEARLY_FULL * this.#mostRemaining || remaining === 0) return;
    const charged = before.remaining - remaining + (limit / 60_000) * (mark.at - before.at);
    this.#missedByReserved =
      KEEP * this.#missedByReserved + Math.abs(charged - (mark.reserved - before.reserved));
    this.#missedByActual = KEEP * this.#missedByActual + Math.abs(charged - (mark.actual - before.actual));
    this.#pairs++;
    if (this.#pairs < LEAST_PAIRS) return;
    if (this.#missedByReserved < MARGIN * this.#missedByActual) this.#mode = 'reserved';
    else if (this.#missedByActual < MARGIN * this.#missedByReserved) this.#mode = 'actual';
  }
}
