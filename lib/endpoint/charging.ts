import type { EndpointSettings } from './settings';

export type ChargingMode = 'reserved' | 'actual';

/** Providers known to charge prompt + max_tokens at admission, where their headers show a token limit at all. */
const RESERVING = new Set(['openai', 'azure']);
const GAIN = 0.1;
/** Answers that must agree before what was assumed is given up. */
const LEAST_SAMPLES = 8;
/** How far, in shares of max_tokens, our count must be off the headers' to change the mode. */
const OFF = 0.4;
/** A smaller difference between max_tokens and the expected output tells nothing. */
const LEAST_SLACK = 50;

/**
 * Learns from the headers what a provider takes from the token quota: where it keeps what max_tokens reserved, giving
 * it back here makes our count too high by that much, answer after answer; where it doesn't, keeping it makes it too low.
 */
export class Charging {
  readonly #said: EndpointSettings['tokensCharged'];
  readonly #provider: string;
  #mode: ChargingMode | undefined;
  #off = 0;
  #samples = 0;

  constructor({ tokensCharged, provider }: Pick<EndpointSettings, 'tokensCharged' | 'provider'>) {
    this.#said = tokensCharged;
    this.#provider = provider;
  }

  /** Undefined while nothing is known: then the most is reserved, and what was not used is given back. */
  get mode(): ChargingMode | undefined {
    return this.#said === 'auto' ? this.#mode : this.#said;
  }

  /**
   * @param off By how many tokens our level was off the header's; below zero where the provider charged more.
   * @param slack max_tokens less the output to be expected.
   */
  observe(off: number, slack: number): void {
    if (this.#said !== 'auto') return;
    this.#mode ??= RESERVING.has(this.#provider) ? 'reserved' : undefined;
    if (slack < LEAST_SLACK) return;
    const share = Math.min(2, Math.max(-2, off / slack));
    this.#off += GAIN * (share - this.#off);
    this.#samples++;
    if (this.#samples < LEAST_SAMPLES) return;
    if (this.#mode !== 'reserved' && this.#off < -OFF) this.#switch('reserved');
    else if (this.#mode === 'reserved' && this.#off > OFF) this.#switch('actual');
  }

  #switch(mode: ChargingMode): void {
    this.#mode = mode;
    this.#off = 0;
    this.#samples = 0;
  }
}
