import type { LatencyProfile } from '../models/profile';
import { LatencyRatio } from './latency-ratio';
import type { SiblingSlowness } from './sibling-slowness';

/** The size of a call, on which its latency depends. */
export interface CallSize {
  readonly promptTokens: number;
  readonly expectedOutputTokens: number;
}

export interface LatencyPrediction {
  readonly firstTokenMs: number;
  readonly totalMs: number;
}

/** Samples needed before a prediction is held against an endpoint. */
const MIN_OBSERVATIONS = 5;
/** Step towards a sample, in log space. Larger steps would follow the load instead of the endpoint's baseline. */
const STEP = 0.025;
/** Number of first samples that count in full, so that a wrong profile is corrected soon. */
const FULL_STEPS = 40;
/**
 * After the first samples, a sample counts in full only if this much time has passed since the previous one, in
 * milliseconds. A busy endpoint has hundreds of samples per minute: with full steps its congestion would become its
 * baseline within seconds.
 */
const FULL_STEP_MS = 4_000;
/** Output tokens from which the time per token is learnt: with fewer it is mostly noise. */
const MIN_OUTPUT_TOKENS = 8;

/**
 * Predicts how long a call takes at one endpoint: the time without load, multiplied by how slow the endpoint is now.
 * The time without load starts with the model's profile and follows the median of the samples in small steps. The
 * median is used because one call in a hundred takes many times as long.
 */
export class LatencyModel {
  #profile: LatencyProfile;
  #baseline: { -readonly [Figure in keyof LatencyProfile]: number };
  readonly #promptPace = new SamplePace();
  readonly #outputPace = new SamplePace();
  readonly #ratio: LatencyRatio;

  /** @param siblings The endpoints of the same model at the same provider, this one included. */
  constructor(profile: LatencyProfile, siblings?: SiblingSlowness) {
    this.#ratio = new LatencyRatio(siblings);
    this.#profile = profile;
    this.#baseline = { ...profile };
  }

  /** Starts again from a new profile. Does nothing if it equals the current one. */
  configure(profile: LatencyProfile): void {
    const { firstTokenMs, msPerPromptToken, msPerOutputToken } = this.#profile;
    const isSame =
      profile.firstTokenMs === firstTokenMs &&
      profile.msPerPromptToken === msPerPromptToken &&
      profile.msPerOutputToken === msPerOutputToken;
    if (isSame) return;
    this.#profile = profile;
    this.#baseline = { ...profile };
  }

  /** Whether there are enough samples to hold a prediction against the endpoint. */
  get hasEvidence(): boolean {
    return this.#ratio.samples >= MIN_OBSERVATIONS;
  }

  /** How many times slower than without load the endpoint answers now. */
  ratio(inFlight: number, now: number): number {
    return this.#ratio.ratio(inFlight, now);
  }

  predict(size: CallSize, inFlight: number, now: number): LatencyPrediction {
    return {
      firstTokenMs: this.firstTokenMs(size, inFlight, now),
      totalMs: this.totalMs(size, inFlight, now),
    };
  }

  firstTokenMs({ promptTokens }: CallSize, inFlight: number, now: number): number {
    return this.ratio(inFlight, now) * this.#baseFirstTokenMs(promptTokens);
  }

  totalMs({ promptTokens, expectedOutputTokens }: CallSize, inFlight: number, now: number): number {
    return this.totalMsOf(promptTokens, expectedOutputTokens, inFlight, now);
  }

  totalMsOf(promptTokens: number, outputTokens: number, inFlight: number, now: number): number {
    return this.ratio(inFlight, now) * this.#baseTotalMs(promptTokens, outputTokens);
  }

  /** Expected milliseconds from the first to the last token of a call, given how long its first token took. */
  outputMs({ promptTokens, expectedOutputTokens }: CallSize, firstTokenMs: number): number {
    const baseMs = this.#baseFirstTokenMs(promptTokens);
    const outputMs = this.#baseTotalMs(promptTokens, expectedOutputTokens) - baseMs;
    return outputMs * Math.max(1, firstTokenMs / baseMs);
  }

  /** Records that an attempt was sent. `attempt` is the key under which its first token or its end is recorded. */
  recordSent(attempt: object, size: CallSize, stream: boolean, now: number): void {
    const { promptTokens, expectedOutputTokens } = size;
    const expectedMs = stream
      ? this.#baseFirstTokenMs(promptTokens)
      : this.#baseTotalMs(promptTokens, expectedOutputTokens);
    this.#ratio.addPending(attempt, expectedMs, now);
  }

  recordFirstToken(attempt: object, promptTokens: number, ms: number, inFlight: number, now: number): void {
    const expectedMs = this.#baseFirstTokenMs(promptTokens);
    this.#ratio.removePending(attempt);
    this.#ratio.observe(ms / expectedMs, inFlight, now);
    this.#scalePrompt(this.#promptPace.step(ms, expectedMs, now));
  }

  /**
   * Records the end of a stream.
   * @param ms Milliseconds from its first token to its last.
   */
  recordOutput(outputTokens: number, ms: number, now: number): void {
    if (outputTokens < MIN_OUTPUT_TOKENS) return;
    const expectedMs = outputTokens * this.#baseline.msPerOutputToken;
    this.#baseline.msPerOutputToken *= this.#outputPace.step(ms, expectedMs, now);
  }

  /** Records an answer that was not streamed, which shows only the total of prompt and output time. */
  recordAnswer(
    attempt: object,
    promptTokens: number,
    outputTokens: number,
    ms: number,
    inFlight: number,
    now: number,
  ): void {
    const expectedMs = this.#baseTotalMs(promptTokens, outputTokens);
    this.#ratio.removePending(attempt);
    this.#ratio.observe(ms / expectedMs, inFlight, now);
    const step = this.#promptPace.step(ms, expectedMs, now);
    this.#scalePrompt(step);
    this.#baseline.msPerOutputToken *= step;
  }

  /** Records the end of an attempt, whether or not it was answered. */
  finish(attempt: object): void {
    this.#ratio.removePending(attempt);
  }

  #baseFirstTokenMs(promptTokens: number): number {
    return this.#baseline.firstTokenMs + promptTokens * this.#baseline.msPerPromptToken;
  }

  #baseTotalMs(promptTokens: number, outputTokens: number): number {
    return this.#baseFirstTokenMs(promptTokens) + outputTokens * this.#baseline.msPerOutputToken;
  }

  #scalePrompt(step: number): void {
    this.#baseline.firstTokenMs *= step;
    this.#baseline.msPerPromptToken *= step;
  }
}

/** Determines how far one sample moves an estimate. */
class SamplePace {
  #samples = 0;
  #lastAt = -Infinity;

  /** Returns the factor by which a sample changes the estimate. */
  step(observed: number, expected: number, now: number): number {
    const sinceLastMs = now - this.#lastAt;
    this.#lastAt = now;
    if (!(observed > 0) || !(expected > 0)) return 1;
    this.#samples += 1;
    const weight = this.#samples <= FULL_STEPS ? 1 : Math.min(1, Math.max(0, sinceLastMs) / FULL_STEP_MS);
    return Math.exp(observed > expected ? STEP * weight : -STEP * weight);
  }
}
