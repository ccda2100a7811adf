import { type Call, maxOutputOf } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import { type Cost, estimateQuotaCost } from '../quota/cost';
import type { Quota } from '../quota/quota';
import { greatestUsedShare, longestWaitMs } from '../quota/quotas';
import { filtersFor } from '../routing/filters';
import { needsOf } from '../routing/needs';
import { WINDOW_CERTAINTY } from '../routing/plan';

/** Copies use an endpoint only while less than this share of its quotas and of its concurrent calls is in use. */
const SPARE_SHARE = 0.5;

/** An endpoint that can serve a copy of a call without slowing down live calls. */
export interface SpareEndpoint {
  readonly endpoint: Endpoint;
  readonly cost: Cost;
}

/**
 * Returns the first endpoint that can serve the call, is healthy, and has spare quota for which no live call waits.
 * @param running Returns the number of copies that are running at an endpoint.
 */
export function spareEndpoint(
  call: Call,
  endpoints: readonly Endpoint[],
  isWaitedFor: (quota: Quota) => boolean,
  running: (endpoint: string) => number,
): SpareEndpoint | undefined {
  // The caller's limits on price and quality don't apply to the copy; the caller's restrictions on where data may go
  // do.
  const needs = { ...needsOf(call), minQuality: 0, maxCostPer1k: Infinity };
  const estimate = estimateQuotaCost(call);
  const filters = filtersFor(call, needs);
  const now = performance.now();
  for (const endpoint of endpoints) {
    const { settings, quotas } = endpoint;
    if (endpoint.state(now) !== 'closed') continue;
    if (filters.some((filter) => filter.removes(needs, endpoint, undefined))) continue;
    if (WINDOW_CERTAINTY * needs.contextTokens > settings.contextWindow) continue;
    if (maxOutputOf(call) > (settings.maxOutputTokens ?? Infinity)) continue;
    if (endpoint.inFlight + running(endpoint.name) + 1 > SPARE_SHARE * settings.maxConcurrent) continue;
    const cost = endpoint.costOf(estimate);
    if (longestWaitMs(quotas, cost, now) > 0 || greatestUsedShare(quotas, now) >= SPARE_SHARE) continue;
    if (quotas.some(isWaitedFor)) continue;
    return { endpoint, cost };
  }
  return undefined;
}
