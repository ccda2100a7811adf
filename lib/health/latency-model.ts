import type { LatencyProfile } from '../models/profile';
import { LatencyRatio } from './latency-ratio';
import type { SiblingSlowness } from './sibling-slowness';

/** The size of a call, as far as its latency depends on it. */
export interface CallSize {
  readonly promptTokens: number;
  readonly expectedOutputTokens: number;
}

export interface LatencyPrediction {
  readonly firstTokenMs: number;
  readonly totalMs: number;
}

/** With fewer samples a prediction is not held against an endpoint. */
const MIN_OBSERVATIONS = 5;
/** One step towards a sample, in log space. Larger steps would follow the load instead of the endpoint. */
const STEP = 0.025;
/** As many first samples count in full, so that a wrong profile is corrected soon. */
const FULL_STEPS = 40;
/**
 * Later a sample counts in full only this long after the one before, in milliseconds. A busy endpoint has hundreds of
 * samples per minute: with full steps its own congestion would become its baseline within seconds.
 */
const FULL_STEP_MS = 4_000;
/** With fewer output tokens the time per token is mostly noise. */
const MIN_OUTPUT_TOKENS = 8;

/**
 * Predicts how long a call takes on one endpoint: the time without load, times how slow the endpoint is now. The time
 * without load starts at the model's profile and follows the median of the samples by small steps. A median, because one
 * call in a hundred takes many times as long.
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

  /** Starts from another profile; the same one changes nothing. */
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

  /** How many times slower than without load it answers now. */
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

  /** Milliseconds that the output of a call will take, given how long its first token took. */
  outputMs({ promptTokens, expectedOutputTokens }: CallSize, firstTokenMs: number): number {
    const baseMs = this.#baseFirstTokenMs(promptTokens);
    const outputMs = this.#baseTotalMs(promptTokens, expectedOutputTokens) - baseMs;
    return outputMs * Math.max(1, firstTokenMs / baseMs);
  }

  /** An attempt was sent. `attempt` is the key under which its first token or its end is recorded. */
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

  /** A stream has ended. @param ms From its first token to its last. */
  recordOutput(outputTokens: number, ms: number, now: number): void {
    if (outputTokens < MIN_OUTPUT_TOKENS) return;
    const expectedMs = outputTokens * this.#baseline.msPerOutputToken;
    this.#baseline.msPerOutputToken *= this.#outputPace.step(ms, expectedMs, now);
  }

  /** A whole answer shows only the sum of its parts. */
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

  /** The attempt has ended, whether or not it was answered. */
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

/** How far one sample moves an estimate. */
class SamplePace {
  #samples = 0;
  #lastAt = -Infinity;

  /** The factor by which a sample moves the estimate. */
  step(observed: number, expected: number, now: number): number {
    const sinceLastMs = now - this.#lastAt;
    this.#lastAt = now;
    if (!(observed > 0) || !(expected > 0)) return 1;
    this.#samples += 1;
    const weight = this.#samples <= FULL_STEPS ? 1 : Math.min(1, Math.max(0, sinceLastMs) / FULL_STEP_MS);
    return Math.exp(observed > expected ? STEP * weight : -STEP * weight);
  }
}
