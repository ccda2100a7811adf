import { type Cached, cachedShare } from './affinity';
import type { Option, Plan } from './plan';
import type { Candidate, RoutedCall } from './strategy';

/** An endpoint counts as busy above this multiple of the mean number of calls in flight, plus one (bounded load). */
const LOAD_BOUND = 1.25;
/** Above this used share of the quota, a cached prefix no longer attracts calls. */
const FULL_SHARE = 0.8;

const NO_PROVIDERS: ReadonlySet<string> = new Set();

export function routedCall({ call }: Plan, now: number, triedProviders = NO_PROVIDERS): RoutedCall {
  return {
    operation: call.operation,
    stream: call.stream,
    context: call.context,
    promptTokens: call.promptTokens,
    expectedOutputTokens: call.expectedOutputTokens,
    remainingMs: call.deadlineAt - now,
    triedProviders,
  };
}

export interface CandidateParts {
  readonly plan: Plan;
  /** What each endpoint has cached of the call's prefix, by endpoint name; undefined if nothing is known. */
  readonly cached: ReadonlyMap<string, Cached> | undefined;
  /** Mean number of calls in flight at the available endpoints of the stage. */
  readonly meanInFlight: number;
  readonly now: number;
}

/** @param waitMs Added to the expected times, for an endpoint that can start the call only after this wait. */
export function candidateOf({ endpoint, costUsd }: Option, parts: CandidateParts, waitMs = 0): Candidate {
  const { plan, cached, meanInFlight, now } = parts;
  const { settings, inFlight, latency, health } = endpoint;
  const { call } = plan;
  const usedShare = Math.max(endpoint.usedShare(now), endpoint.budgets?.usedShare() ?? 0);
  const isBusy = usedShare > FULL_SHARE || inFlight > LOAD_BOUND * meanInFlight + 1;
  return {
    name: endpoint.name,
    model: settings.model,
    provider: settings.provider,
    weight: endpoint.weight,
    quality: settings.quality,
    strengths: settings.strengths,
    inFlight,
    expectedFirstTokenMs: waitMs + latency.firstTokenMs(call, inFlight, now),
    expectedMs: waitMs + latency.totalMs(call, inFlight, now),
    slowness: latency.ratio(inFlight, now),
    peakMs: health.recentLatency.peakMs,
    costUsd,
    usedShare,
    failureShare: health.failureShare(now),
    ramp: health.breaker.ramp(now),
    cachedShare: cached === undefined || isBusy ? 0 : cachedShare(cached.get(endpoint.name), now),
  };
}
