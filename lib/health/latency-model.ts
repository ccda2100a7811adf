import type { LatencyProfile } from '../models/profile';
import { LatencyBaseline } from './latency-baseline';
import { LatencyRatio } from './latency-ratio';

/** What a prediction is made from. */
export interface CallSize {
  readonly promptTokens: number;
  readonly expectedOutputTokens: number;
}

export interface LatencyPrediction {
  readonly firstTokenMs: number;
  readonly totalMs: number;
}

/** Fewer observations than this are no evidence against an endpoint. */
const MIN_OBSERVATIONS = 5;

/** Predicts what a call will take on one endpoint: its prior times how slow the endpoint is now. */
export class LatencyModel {
  readonly #baseline: LatencyBaseline;
  readonly #latencyRatio = new LatencyRatio();

  constructor(profile: LatencyProfile) {
    this.#baseline = new LatencyBaseline(profile);
  }

  /** Whether enough has been seen to hold a prediction against the endpoint. */
  get hasEvidence(): boolean {
    return this.#latencyRatio.samples >= MIN_OBSERVATIONS;
  }

  /** How many times slower than at rest it answers now. */
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

  /** What the output of a call will take whose first token took so long. */
  outputMs(size: CallSize, firstTokenMs: number): number {
    const baselineMs = this.#baseline.firstTokenMs(size.promptTokens);
    const recordOutput = this.#baseline.totalMs(size.promptTokens, size.expectedOutputTokens) - baselineMs;
    return recordOutput * Math.max(1, firstTokenMs / baselineMs);
  }

  recordSent(call: object, size: CallSize, stream: boolean, now: number): void {
    const { promptTokens, expectedOutputTokens } = size;
    const expected = stream
      ? this.#baseline.firstTokenMs(promptTokens)
      : this.#baseline.totalMs(promptTokens, expectedOutputTokens);
    this.#latencyRatio.addPending(call, expected, now);
  }

  recordFirstToken(call: object, promptTokens: number, ms: number, inFlight: number, now: number): void {
    this.#latencyRatio.removePending(call);
    this.#latencyRatio.observe(ms / this.#baseline.firstTokenMs(promptTokens), inFlight, now);
    this.#baseline.learnFirstToken(promptTokens, ms);
  }

  /** A stream has ended: its tokens took so long after the first. */
  recordOutput(outputTokens: number, ms: number): void {
    this.#baseline.learnOutput(outputTokens, ms);
  }

  recordAnswer(
    call: object,
    promptTokens: number,
    outputTokens: number,
    ms: number,
    inFlight: number,
    now: number,
  ): void {
    this.#latencyRatio.removePending(call);
    this.#latencyRatio.observe(ms / this.#baseline.totalMs(promptTokens, outputTokens), inFlight, now);
    this.#baseline.learnTotal(promptTokens, outputTokens, ms);
  }

  finish(call: object): void {
    this.#latencyRatio.removePending(call);
  }
}
