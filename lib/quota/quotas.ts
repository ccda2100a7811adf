import type { Cost } from './cost';
import type { ExceededLimit } from './limits';
import type { Quota } from './quota';

/* The quotas that one endpoint takes from, together. */

/** The cost with its output bounded to a share of what the smallest of the quotas can hold. */
export function boundOutput(quotas: readonly Quota[], cost: Cost, share: number, now: number): Cost {
  if (share === Infinity) return cost;
  let depth = Infinity;
  for (const quota of quotas) depth = Math.min(depth, quota.outputDepth(now));
  if (cost.output <= share * depth) return cost;
  return { input: cost.input, output: Math.max(1, Math.floor(share * depth)) };
}

/** Milliseconds until all quotas have room for the cost; Infinity if one never has. */
export function longestWaitMs(quotas: readonly Quota[], cost: Cost, now: number): number {
  let longest = 0;
  for (const quota of quotas) {
    const ms = quota.waitMs(cost, now);
    if (ms > longest) longest = ms;
  }
  return longest;
}

/** 0 to 1: the used share of the scarcest quota. */
export function greatestUsedShare(quotas: readonly Quota[], now: number): number {
  let used = 0;
  for (const quota of quotas) {
    const share = quota.usedShare(now);
    if (share > used) used = share;
  }
  return used;
}

/** What all quotas together leave. */
export interface QuotaLeft {
  /** Undefined without a limit, below zero while a debt is paid. */
  readonly requests: number | undefined;
  readonly tokens: number | undefined;
}

/** Called when the headers of an answer have changed what is left. */
export type OnQuotaCorrected = (before: QuotaLeft, after: QuotaLeft) => void;

export function leastLeft(quotas: readonly Quota[], now: number): QuotaLeft {
  let requests: number | undefined;
  let tokens: number | undefined;
  for (const quota of quotas) {
    requests = least(requests, quota.requestsLeft(now));
    tokens = least(tokens, quota.tokensLeft(now));
  }
  return { requests, tokens };
}

function least(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || (b !== undefined && b < a) ? b : a;
}

export function exceededBy(quotas: readonly Quota[], cost: Cost): ExceededLimit | undefined {
  for (const quota of quotas) {
    const exceeded = quota.exceededBy(cost);
    if (exceeded) return exceeded;
  }
  return undefined;
}
