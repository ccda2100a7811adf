import { type Call, maxOutputOf } from '../call/call';
import type { LimitReading, WindowReading } from '../provider/rate-limits/rate-limit-headers';

/** Tokens that one attempt takes from a quota. */
export interface Cost {
  readonly input: number;
  readonly output: number;
}

/** What a call may cost. Computed once per call, because many endpoints share it. */
export interface CostEstimate {
  /** With `max_tokens`, if the caller sets it. */
  readonly max: Cost;
  readonly expected: Cost;
  /** The part of a bucket's depth that the output of `max`, and of `expected`, may reserve at most. */
  readonly maxShare: number;
  readonly expectedShare: number;
  /**
   * What the call certainly takes: a part of the estimated prompt, which may be too high. In `certainReserved` the output
   * is max_tokens too, which is certain only where the provider is known to charge it.
   */
  readonly certain: Cost;
  readonly certainReserved: Cost;
  /** When it was estimated, on the clock of performance.now(). */
  readonly at: number;
}

/** The share of an estimated prompt that is certain: estimates err upwards. */
export const CERTAIN_SHARE = 0.7;

/**
 * An output that is only learnt from other calls reserves at most this part of a bucket: else long answers of one tenant,
 * or a wrong figure, would keep the calls of others waiting. The caller's own estimate may reserve a full bucket.
 */
const LEARNT_SHARE = 0.25;

export function estimateQuotaCost(call: Call): CostEstimate {
  const input = call.promptTokens;
  const maxOutput = maxOutputOf(call);
  const expectedShare = call.context.estimatedOutputTokens === undefined ? LEARNT_SHARE : 1;
  const certainInput = Math.ceil(CERTAIN_SHARE * input);
  return {
    max: { input, output: maxOutput },
    expected: { input, output: Math.min(maxOutput, call.expectedOutputTokens) },
    maxShare: call.maxOutputTokens === undefined ? expectedShare : Infinity,
    expectedShare,
    certain: { input: certainInput, output: 0 },
    certainReserved: { input: certainInput, output: call.maxOutputTokens ?? 0 },
    at: performance.now(),
  };
}

/** What a limit per minute counts: requests, all tokens, or input and output tokens apart. */
export type Dimension = 'requests' | 'tokens' | 'input' | 'output';
export const DIMENSIONS: readonly Dimension[] = ['requests', 'tokens', 'input', 'output'];

/** Units of a limit that one attempt takes. */
export function unitsOf(dimension: Dimension, cost: Cost): number {
  if (dimension === 'requests') return 1;
  if (dimension === 'tokens') return cost.input + cost.output;
  return cost[dimension];
}

/** What an answer's headers say about each limit per minute. */
export type Windows = Record<Dimension, WindowReading | undefined>;

export function windowsOf(reading: LimitReading): Windows {
  return {
    requests: reading.requests,
    tokens: reading.tokens,
    input: reading.inputTokens,
    output: reading.outputTokens,
  };
}
