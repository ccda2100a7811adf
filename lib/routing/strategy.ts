import type { RequestContext } from '../call/context';

/** The call for which a strategy picks an endpoint. */
export interface RoutedCall {
  /** The operation that is called. */
  readonly operation: 'chat' | 'embeddings';
  /** Whether the answer is streamed. */
  readonly stream: boolean;
  /** The context of the call: its type, priority and requirements. */
  readonly context: Readonly<RequestContext>;
  /** Estimated prompt tokens. */
  readonly promptTokens: number;
  /** Expected output tokens. */
  readonly expectedOutputTokens: number;
  /** Milliseconds until the deadline of the call; Infinity without one. */
  readonly remainingMs: number;
  /** Providers that have already failed this call. */
  readonly triedProviders: ReadonlySet<string>;
}

/** An endpoint that has passed every filter. */
export interface Candidate {
  /** Name of the endpoint. */
  readonly name: string;
  /** Model of the endpoint. */
  readonly model: string;
  /** Provider of the endpoint. */
  readonly provider: string;
  /** The configured weight; greater than 0. */
  readonly weight: number;
  /** Quality of the model, 0 to 1. */
  readonly quality: number;
  /** Request types that the model is good at, as configured or from the catalogue. */
  readonly strengths: readonly string[];
  /** Attempts in flight. */
  readonly inFlight: number;
  /** Predicted milliseconds until the whole answer of this call. */
  readonly expectedMs: number;
  /** Predicted milliseconds until the first token of this call. */
  readonly expectedFirstTokenMs: number;
  /** How many times slower than without load the endpoint answers now; 1 is normal. */
  readonly slowness: number;
  /** Recent latency in milliseconds, sensitive to peaks (Peak EWMA); 0 before the first answer. */
  readonly peakMs: number;
  /** Estimated price of this call in USD; undefined if the endpoint has no price. */
  readonly costUsd: number | undefined;
  /** Used share of the scarcest quota or budget, 0 to 1. */
  readonly usedShare: number;
  /** Recent share of calls that the endpoint has failed, 0 to 1. */
  readonly failureShare: number;
  /** Slow start: 1 just after a recovery, falling to 0 over `breaker.rampMs`. */
  readonly ramp: number;
  /** Share of the prompt that the endpoint probably has cached, 0 to 1; 0 if the endpoint is busier than others. */
  readonly cachedShare: number;
}

/** The score of a candidate with its terms. */
export interface Score {
  /** The sum of the terms. */
  readonly score: number;
  /** The weighted terms by name. */
  readonly terms: Readonly<Record<string, number>>;
}

/**
 * Picks an endpoint from the candidates. Set a custom one as `strategy` in the configuration. A call fails with
 * ERR_AI_CONFIG if `pick` throws, returns a promise, or returns anything but a candidate or undefined.
 */
export interface Strategy {
  /** Name of the strategy, for reports. */
  readonly name: string;
  /** Returns the picked candidate, or undefined to make the call wait. Must not keep the arguments. */
  pick(call: RoutedCall, candidates: readonly Candidate[]): Candidate | undefined;
  /** Optional: returns a score for each candidate, for reports. Must not change state; the lowest score wins. */
  explain?(call: RoutedCall, candidates: readonly Candidate[]): readonly Score[] | undefined;
}

/** A strategy with scores, so that waiting for a better endpoint can be preferred to using a free one. */
export interface ScoredStrategy extends Strategy {
  /** Returns the candidate with the lowest score. Uses no random numbers. */
  best(
    call: RoutedCall,
    candidates: readonly Candidate[],
  ): { readonly candidate: Candidate; readonly score: number };
}

/** Whether the strategy compares candidates by scores, so that it may choose from a sample of a large fleet. */
export function isScored(strategy: Strategy): strategy is ScoredStrategy {
  return 'best' in strategy;
}

/** The built-in strategies. docs/routing.md describes them. */
export type StrategyName =
  | 'adaptive'
  | 'weighted'
  | 'round-robin'
  | 'least-busy'
  | 'lowest-latency'
  | 'lowest-cost';

/** Weights of the terms of the adaptive score; the lowest score wins. docs/routing.md explains each term. */
export interface ScoreWeights {
  /** Probability of missing the deadline. Default 4. */
  readonly deadline: number;
  /** Predicted time as a share of the time until the deadline, or of 60 s if the deadline is later. Default 0.5. */
  readonly speed: number;
  /** Price as a share of the most expensive candidate. Default 0.3. */
  readonly cost: number;
  /** Used share of the scarcest quota or budget, rising exponentially. Default 1. */
  readonly scarcity: number;
  /** Recent failure rate. Default 2. */
  readonly failure: number;
  /** Quality of the model; a bonus. Default 0.3. */
  readonly quality: number;
  /** Penalty for a provider that has already failed this call. Default 0.3. */
  readonly triedProvider: number;
  /** Penalty during the slow start after a recovery. Default 0.5. */
  readonly ramp: number;
  /** Logarithm of the endpoint's configured weight; a bonus. Default 0.2. */
  readonly weight: number;
  /** Share of the prompt that is probably cached; a bonus. Default 0.3. */
  readonly affinity: number;
  /** Whether the type of the request is among the strengths of the model; a bonus. Default 0.1. */
  readonly type: number;
}
