import type { RequestContext } from '../call/context';

/** What a strategy may know of the call it picks for. */
export interface RoutedCall {
  readonly operation: 'chat' | 'embeddings';
  readonly stream: boolean;
  readonly context: Readonly<RequestContext>;
  readonly promptTokens: number;
  readonly expectedOutputTokens: number;
  /** Milliseconds left until the call's deadline; Infinity where it has none. */
  readonly remainingMs: number;
  /** Providers that have already failed this call. */
  readonly triedProviders: ReadonlySet<string>;
}

/** An endpoint that has passed every filter. */
export interface Candidate {
  readonly name: string;
  readonly model: string;
  readonly provider: string;
  /** The app's preference; never 0 here. */
  readonly weight: number;
  readonly quality: number;
  readonly inFlight: number;
  /** Milliseconds until the whole answer, as predicted for this call. */
  readonly expectedMs: number;
  /** The same for the first token. */
  readonly expectedFirstTokenMs: number;
  /** Recent latency in milliseconds, peaks first (Peak EWMA); 0 before the first answer. */
  readonly peakMs: number;
  /** Estimated cost of this call in USD; undefined without a price. */
  readonly costUsd: number | undefined;
  /** 0 to 1: the used share of the scarcer quota. */
  readonly usedShare: number;
  /** 0 to 1: recent share of hard failures. */
  readonly failureShare: number;
  /** 1 just after a recovery, falling to 0 while the endpoint ramps up. */
  readonly ramp: number;
  /** 0 to 1: the share of the prompt that the endpoint is likely to have cached, where it isn't busier than others. */
  readonly cachedShare: number;
}

/** How a candidate came to its score. */
export interface Score {
  readonly score: number;
  readonly terms: Readonly<Record<string, number>>;
}

/** Picks one of the candidates. Your own may be given as `strategy`. */
export interface Strategy {
  readonly name: string;
  /** Returning undefined lets the call wait. Must not throw, and must not keep the arguments. */
  pick(call: RoutedCall, candidates: readonly Candidate[]): Candidate | undefined;
  /** Scores the candidates without changing anything, for reports; the least wins. Only where there are scores. */
  explain?(call: RoutedCall, candidates: readonly Candidate[]): readonly Score[];
}

/** A strategy by score: for it, waiting for a better endpoint can be better than taking a free one. */
export interface ScoredStrategy extends Strategy {
  /** The least score of the candidates, and who has it. Draws no random numbers. */
  best(
    call: RoutedCall,
    candidates: readonly Candidate[],
  ): { readonly candidate: Candidate; readonly score: number };
}

export type StrategyName =
  | 'adaptive'
  | 'weighted'
  | 'round-robin'
  | 'least-busy'
  | 'lowest-latency'
  | 'lowest-cost';

/** Weights of the adaptive strategy's score. */
export interface ScoreWeights {
  /** Missing the deadline. Default 4. */
  readonly deadline: number;
  /** Default 0.5. */
  readonly speed: number;
  /** Default 0.3. */
  readonly cost: number;
  /** Default 1. */
  readonly scarcity: number;
  /** Default 2. */
  readonly failure: number;
  /** Default 0.3. */
  readonly quality: number;
  /** A provider that has already failed this call. Default 0.3. */
  readonly triedProvider: number;
  /** Just after a recovery. Default 0.5. */
  readonly ramp: number;
  /** The app's weight. Default 0.2. */
  readonly weight: number;
  /** A cached prefix. Default 0.3. */
  readonly affinity: number;
}
