import type { Cost } from './cost';
import type { ExceededLimit } from './limits';
import type { Quota } from './quota';

/* Functions over all quotas that one endpoint takes from. */

/** Returns the cost with its output capped at a share of what the smallest of the quotas can hold. */
export function boundOutput(quotas: readonly Quota[], cost: Cost, share: number, now: number): Cost {
  if (share === Infinity) return cost;
  let depth = Infinity;
  for (const quota of quotas) depth = Math.min(depth, quota.outputDepth(now));
  if (cost.output <= share * depth) return cost;
  return { input: cost.input, output: Math.max(1, Math.floor(share * depth)) };
}

/** Milliseconds until all quotas have room for the cost; Infinity if one never will. */
export function longestWaitMs(quotas: readonly Quota[], cost: Cost, now: number): number {
  let longest = 0;
  for (const quota of quotas) {
    const ms = quota.waitMs(cost, now);
    if (ms > longest) longest = ms;
  }
  return longest;
}

/** Used share of the scarcest quota, 0 to 1. */
export function greatestUsedShare(quotas: readonly Quota[], now: number): number {
  let used = 0;
  for (const quota of quotas) {
    const share = quota.usedShare(now);
    if (share > used) used = share;
  }
  return used;
}

/** What is left when all quotas are considered together. */
export interface QuotaLeft {
  /** Undefined without a limit; negative while a debt is being paid off. */
  readonly requests: number | undefined;
  readonly tokens: number | undefined;
}

/** Called with what was left before and after response headers have changed it. */
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
