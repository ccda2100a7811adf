import type { LatencyProfile } from '../models/profile';

/** One step towards a sample, in log space. Larger steps would follow the load instead of the endpoint. */
const STEP = 0.025;
/** With fewer output tokens the time per token is mostly noise. */
const MIN_OUTPUT_TOKENS = 8;

/**
 * How long a call takes on an endpoint without load: starts at the model's profile and follows the median of the samples
 * by small steps. A median, because one call in a hundred takes many times as long.
 */
export class LatencyBaseline {
  #firstTokenMs: number;
  #msPerPromptToken: number;
  #msPerOutputToken: number;

  constructor(profile: LatencyProfile) {
    this.#firstTokenMs = profile.firstTokenMs;
    this.#msPerPromptToken = profile.msPerPromptToken;
    this.#msPerOutputToken = profile.msPerOutputToken;
  }

  firstTokenMs(promptTokens: number): number {
    return this.#firstTokenMs + promptTokens * this.#msPerPromptToken;
  }

  totalMs(promptTokens: number, outputTokens: number): number {
    return this.firstTokenMs(promptTokens) + outputTokens * this.#msPerOutputToken;
  }

  learnFirstToken(promptTokens: number, observedMs: number): void {
    const step = stepTowards(observedMs, this.firstTokenMs(promptTokens));
    this.#firstTokenMs *= step;
    this.#msPerPromptToken *= step;
  }

  /** @param observedMs From the first output token to the last. */
  learnOutput(outputTokens: number, observedMs: number): void {
    if (outputTokens < MIN_OUTPUT_TOKENS) return;
    this.#msPerOutputToken *= stepTowards(observedMs, outputTokens * this.#msPerOutputToken);
  }

  /** A whole answer shows only the sum of its parts. */
  learnTotal(promptTokens: number, outputTokens: number, observedMs: number): void {
    const step = stepTowards(observedMs, this.totalMs(promptTokens, outputTokens));
    this.#firstTokenMs *= step;
    this.#msPerPromptToken *= step;
    this.#msPerOutputToken *= step;
  }
}

function stepTowards(observed: number, expected: number): number {
  if (!(observed > 0) || !(expected > 0)) return 1;
  return observed > expected ? Math.exp(STEP) : Math.exp(-STEP);
}
