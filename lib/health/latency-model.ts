import type { LatencyProfile } from '../models/profile';
import { LatencyPrior } from './latency-baseline';
import { Slowness } from './latency-ratio';

/** What a prediction is made from. */
export interface Size {
  readonly promptTokens: number;
  readonly expectedOutputTokens: number;
}

export interface Expectation {
  readonly firstTokenMs: number;
  readonly totalMs: number;
}

/** Fewer observations than this are no evidence against an endpoint. */
const EVIDENCE = 5;

/** Predicts what a call will take on one endpoint: its prior times how slow the endpoint is now. */
export class LatencyModel {
  readonly #prior: LatencyPrior;
  readonly #slowness = new Slowness();

  constructor(profile: LatencyProfile) {
    this.#prior = new LatencyPrior(profile);
  }

  /** Whether enough has been seen to hold a prediction against the endpoint. */
  get isProven(): boolean {
    return this.#slowness.samples >= EVIDENCE;
  }

  /** How many times slower than at rest it answers now. */
  slow(inFlight: number, now: number): number {
    return this.#slowness.ratio(inFlight, now);
  }

  expect(size: Size, inFlight: number, now: number): Expectation {
    return {
      firstTokenMs: this.firstTokenMs(size, inFlight, now),
      totalMs: this.totalMs(size, inFlight, now),
    };
  }

  firstTokenMs({ promptTokens }: Size, inFlight: number, now: number): number {
    return this.slow(inFlight, now) * this.#prior.firstTokenMs(promptTokens);
  }

  totalMs({ promptTokens, expectedOutputTokens }: Size, inFlight: number, now: number): number {
    return this.slow(inFlight, now) * this.#prior.totalMs(promptTokens, expectedOutputTokens);
  }

  /** What the output of a call will take whose first token took so long. */
  outputMs(size: Size, firstTokenMs: number): number {
    const atRest = this.#prior.firstTokenMs(size.promptTokens);
    const output = this.#prior.totalMs(size.promptTokens, size.expectedOutputTokens) - atRest;
    return output * Math.max(1, firstTokenMs / atRest);
  }

  sent(call: object, size: Size, stream: boolean, now: number): void {
    const { promptTokens, expectedOutputTokens } = size;
    const expected = stream
      ? this.#prior.firstTokenMs(promptTokens)
      : this.#prior.totalMs(promptTokens, expectedOutputTokens);
    this.#slowness.sent(call, expected, now);
  }

  firstToken(call: object, promptTokens: number, ms: number, inFlight: number, now: number): void {
    this.#slowness.settled(call);
    this.#slowness.observe(ms / this.#prior.firstTokenMs(promptTokens), inFlight, now);
    this.#prior.learnFirstToken(promptTokens, ms);
  }

  /** A stream has ended: its tokens took so long after the first. */
  output(outputTokens: number, ms: number): void {
    this.#prior.learnOutput(outputTokens, ms);
  }

  whole(
    call: object,
    promptTokens: number,
    outputTokens: number,
    ms: number,
    inFlight: number,
    now: number,
  ): void {
    this.#slowness.settled(call);
    this.#slowness.observe(ms / this.#prior.totalMs(promptTokens, outputTokens), inFlight, now);
    this.#prior.learnTotal(promptTokens, outputTokens, ms);
  }

  ended(call: object): void {
    this.#slowness.settled(call);
  }
}
