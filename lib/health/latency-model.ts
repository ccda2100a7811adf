import type { LatencyProfile } from '../models/profile';
import { LatencyBaseline } from './latency-baseline';
import { LatencyRatio } from './latency-ratio';

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

/** Predicts how long a call takes on one endpoint: the time without load, times how slow the endpoint is now. */
export class LatencyModel {
  #profile: LatencyProfile;
  #baseline: LatencyBaseline;
  readonly #latencyRatio = new LatencyRatio();

  constructor(profile: LatencyProfile) {
    this.#profile = profile;
    this.#baseline = new LatencyBaseline(profile);
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
    this.#baseline = new LatencyBaseline(profile);
  }

  /** Whether there are enough samples to hold a prediction against the endpoint. */
  get hasEvidence(): boolean {
    return this.#latencyRatio.samples >= MIN_OBSERVATIONS;
  }

  /** How many times slower than without load it answers now. */
  ratio(inFlight: number, now: number): number {
    return this.#latencyRatio.ratio(inFlight, now);
  }

  predict(size: CallSize, inFlight: number, now: number): LatencyPrediction {
    return {
      firstTokenMs: this.firstTokenMs(size, inFlight, now),
      totalMs: this.totalMs(size, inFlight, now),
    };
  }

  firstTokenMs({ promptTokens }: CallSize, inFlight: number, now: number): number {
    return this.ratio(inFlight, now) * this.#baseline.firstTokenMs(promptTokens);
  }

  totalMs({ promptTokens, expectedOutputTokens }: CallSize, inFlight: number, now: number): number {
    return this.ratio(inFlight, now) * this.#baseline.totalMs(promptTokens, expectedOutputTokens);
  }

  /** Milliseconds that the output of a call will take, given how long its first token took. */
  outputMs(size: CallSize, firstTokenMs: number): number {
    const baselineMs = this.#baseline.firstTokenMs(size.promptTokens);
    const outputMs = this.#baseline.totalMs(size.promptTokens, size.expectedOutputTokens) - baselineMs;
    return outputMs * Math.max(1, firstTokenMs / baselineMs);
  }

  /** An attempt was sent. `attempt` is the key under which its first token or its end is recorded. */
  recordSent(attempt: object, size: CallSize, stream: boolean, now: number): void {
    const { promptTokens, expectedOutputTokens } = size;
    const expected = stream
      ? this.#baseline.firstTokenMs(promptTokens)
      : this.#baseline.totalMs(promptTokens, expectedOutputTokens);
    this.#latencyRatio.addPending(attempt, expected, now);
  }

  recordFirstToken(attempt: object, promptTokens: number, ms: number, inFlight: number, now: number): void {
    this.#latencyRatio.removePending(attempt);
    this.#latencyRatio.observe(ms / this.#baseline.firstTokenMs(promptTokens), inFlight, now);
    this.#baseline.learnFirstToken(promptTokens, ms);
  }

  /** A stream has ended. @param ms From its first token to its last. */
  recordOutput(outputTokens: number, ms: number): void {
    this.#baseline.learnOutput(outputTokens, ms);
  }

  recordAnswer(
    attempt: object,
    promptTokens: number,
    outputTokens: number,
    ms: number,
    inFlight: number,
    now: number,
  ): void {
    this.#latencyRatio.removePending(attempt);
    this.#latencyRatio.observe(ms / this.#baseline.totalMs(promptTokens, outputTokens), inFlight, now);
    this.#baseline.learnTotal(promptTokens, outputTokens, ms);
  }

  /** The attempt has ended, whether or not it was answered. */
  finish(attempt: object): void {
    this.#latencyRatio.removePending(attempt);
  }
}
