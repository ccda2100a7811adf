import type { Priority } from '../call/context';
import type { ClusterMode } from '../cluster/options';
import type { Endpoint, EndpointState } from '../endpoint/endpoint';

export interface EndpointStats {
  readonly name: string;
  readonly model: string;
  /** Other names that calls may use for the model; none by default. */
  readonly aliases: readonly string[];
  readonly provider: string;
  readonly state: EndpointState;
  readonly weight: number;
  readonly inFlight: number;
  /** Failed attempts since the last success. */
  readonly failures: number;
  /** A running average of whole answers' times that keeps 0.7 of the old; undefined before the first. */
  readonly averageLatencyMs: number | undefined;
  /** Undefined without a limit; below zero while a debt is paid. */
  readonly requestsLeft: number | undefined;
  readonly tokensLeft: number | undefined;
  /** The end of its rest, as a Unix time in milliseconds; absent when it isn't resting. */
  readonly cooldownUntil?: number;
}

export interface BalancerStats {
  /** Endpoints in all. */
  readonly total: number;
  /** Endpoints that would take a call now, as far as breaker, rest and weight go. */
  readonly healthy: number;
  readonly calls: { readonly ok: number; readonly failed: number; readonly shed: number };
  readonly queue: { readonly size: number; readonly byPriority: Record<Priority, number> };
  readonly endpoints: readonly EndpointStats[];
  /** With `cluster`: how its quotas are kept now, and how many processes were last seen, this one included. */
  readonly cluster?: { readonly mode: ClusterMode; readonly members: number };
}

/** Counts how calls end. An aborted call counts as none of them. */
export interface CallCounts {
  ok: number;
  failed: number;
  /** Refused because no quota was free in time. */
  shed: number;
}

export function endpointStats(endpoint: Endpoint, now: number): EndpointStats {
  const cooldownEnd = endpoint.cooldownUntil(now);
  const { averageMs } = endpoint.recentLatency;
  return {
    name: endpoint.name,
    model: endpoint.settings.model,
    aliases: endpoint.settings.aliases,
    provider: endpoint.settings.provider,
    state: endpoint.state(now),
    weight: endpoint.weight,
    inFlight: endpoint.inFlight,
    failures: endpoint.failures,
    averageLatencyMs: averageMs === undefined ? undefined : Math.round(averageMs),
    requestsLeft: minDefined(endpoint.quotas.map((quota) => quota.requestsLeft(now))),
    tokensLeft: minDefined(endpoint.quotas.map((quota) => quota.tokensLeft(now))),
    ...(cooldownEnd > 0 ? { cooldownUntil: Math.round(Date.now() + cooldownEnd - now) } : {}),
  };
}

export function isHealthy({ state, weight }: EndpointStats): boolean {
  return state === 'closed' && weight > 0;
}

function minDefined(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
