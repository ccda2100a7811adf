import { type Call, maxOutputOf } from '../call/call';
import type { LimitReading, WindowReading } from '../provider/rate-limits/rate-limit-headers';

/** Tokens that one attempt takes from a quota. */
export interface Cost {
  readonly input: number;
  readonly output: number;
}

/** What a call may cost. Computed once per call, because many endpoints share it. */
export interface CostEstimate {
  /** The cost if the output reaches its limit: `max_tokens` if the caller sets it. */
  readonly max: Cost;
  readonly expected: Cost;
  /**
   * Share of a bucket's depth that the output of `max` (`maxShare`) or `expected` (`expectedShare`) may reserve at
   * most.
   */
  readonly maxShare: number;
  readonly expectedShare: number;
  /**
   * What the call takes at least: a share of the estimated prompt, as the estimate may be too high. `certainReserved`
   * adds max_tokens as output, which is certain only where the provider is known to charge it at admission.
   */
  readonly certain: Cost;
  readonly certainReserved: Cost;
  /** When the estimate was made, on the clock of performance.now(). */
  readonly at: number;
}

/** Share of an estimated prompt that the call certainly takes, as estimates tend to be too high. */
export const CERTAIN_SHARE = 0.7;

/**
 * Share of a bucket that the expected output may reserve at most if it is learnt from other calls. Otherwise long
 * answers to one tenant, or a wrong figure, would keep the calls of others waiting. The caller's own estimate may
 * reserve a full bucket.
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

/** What a limit counts: requests, all tokens, or input and output tokens separately. */
export type Dimension = 'requests' | 'tokens' | 'input' | 'output';
export const DIMENSIONS: readonly Dimension[] = ['requests', 'tokens', 'input', 'output'];

/** Units of a limit that one attempt takes. */
export function unitsOf(dimension: Dimension, cost: Cost): number {
  if (dimension === 'requests') return 1;
  if (dimension === 'tokens') return cost.input + cost.output;
  return cost[dimension];
}

/** What response headers say about each limit per minute. */
export type Windows = Record<Dimension, WindowReading | undefined>;

export function windowsOf(reading: LimitReading): Windows {
  return {
    requests: reading.requests,
    tokens: reading.tokens,
    input: reading.inputTokens,
    output: reading.outputTokens,
  };
}
