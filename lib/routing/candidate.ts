import type { Affinity } from './affinity';
import type { Option, Plan } from './plan';
import type { Candidate, RoutedCall } from './strategy';

/** An endpoint counts as busy above this multiple of the mean number of calls in flight (bounded load). */
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
  readonly affinity: Affinity;
  /** Equal for calls that can use the same cached prefix. */
  readonly affinityKey: string | undefined;
  /** The mean number of calls in flight at the endpoints of the stage. */
  readonly meanInFlight: number;
  readonly now: number;
}

/** @param waitMs Added to the expected times, for an endpoint that can start only then. */
export function candidateOf({ endpoint, costUsd }: Option, parts: CandidateParts, waitMs = 0): Candidate {
  const { plan, affinity, affinityKey: key, meanInFlight, now } = parts;
  const { settings, inFlight, latency } = endpoint;
  const { call } = plan;
  const usedShare = endpoint.usedShare(now);
  const isBusy = usedShare > FULL_SHARE || inFlight > LOAD_BOUND * meanInFlight + 1;
  const cachedShare = key === undefined || isBusy ? 0 : affinity.share(key, endpoint.name, now);
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
    peakMs: endpoint.health.recentLatency.peakMs,
    costUsd,
    usedShare,
    failureShare: endpoint.health.failureShare(now),
    ramp: endpoint.breaker.ramp(now),
    cachedShare,
  };
}
