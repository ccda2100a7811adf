import type { BudgetStats } from '../budget/budget';
import type { Priority } from '../call/context';
import type { CanaryStats } from '../canary/options';
import type { ClusterMode } from '../cluster/options';
import type { Endpoint } from '../endpoint/endpoint';
import type { EndpointState } from '../endpoint/unavailable-reason';
import { leastLeft } from '../quota/quotas';
import type { ShadowStats } from '../shadow/options';
import type { Writable } from '../util/writable';

/** The state of one endpoint. */
export interface EndpointStats {
  /** Name of the endpoint. */
  readonly name: string;
  /** Its model. */
  readonly model: string;
  /** Other names that calls can use for the model. */
  readonly aliases: readonly string[];
  /** Its provider. */
  readonly provider: string;
  /** Whether it takes calls: state of its breaker, cooling down or disabled. */
  readonly state: EndpointState;
  /**
   * Why it takes no calls, since when, until when and what to do; absent while it takes calls. It may quote the upstream:
   * show it to operators, not to customers.
   */
  readonly reason?: string;
  /** The weight now: as configured, or as set through the endpoint's handle. */
  readonly weight: number;
  /** Attempts in flight. */
  readonly inFlight: number;
  /** Failed attempts since the last success. */
  readonly failures: number;
  /**
   * Events of its streams that could not be read and were skipped since the start, because they held no part of an answer.
   * A number that grows names a proxy or server that garbles streams.
   */
  readonly skippedEvents: number;
  /** Moving average of the duration of whole answers, which keeps 0.7 of the old value; undefined before the first. */
  readonly averageLatencyMs: number | undefined;
  /** Requests left in the quota; undefined without a limit, negative while a debt is paid. */
  readonly requestsLeft: number | undefined;
  /** Tokens left in the quota; undefined without a limit, negative while a debt is paid. */
  readonly tokensLeft: number | undefined;
  /** 0 to 1: the used share of its scarcest limit per minute; 0 without one. */
  readonly usedShare: number;
  /** End of the cooldown, as a Unix time in milliseconds; absent without one. */
  readonly cooldownUntil?: number;
}

/** A snapshot of a balancer. */
export interface BalancerStats {
  /** Number of endpoints. */
  readonly total: number;
  /** Endpoints with a closed breaker, no cooldown and a weight above 0. */
  readonly healthy: number;
  /** Calls since the start: answered, failed, and shed because no quota was free in time. Aborted calls are not counted. */
  readonly calls: {
    /** Calls that were answered. */
    readonly ok: number;
    /** Calls that failed. */
    readonly failed: number;
    /** Calls that were shed. */
    readonly shed: number;
  };
  /** The wait queue. */
  readonly queue: {
    /** Number of waiting calls. */
    readonly size: number;
    /** Number of waiting calls of each priority. */
    readonly byPriority: Record<Priority, number>;
  };
  /** The state of each endpoint, in the order of the configuration. */
  readonly endpoints: readonly EndpointStats[];
  /** Every limit in US dollars: those over everything first, then those of quota groups and endpoints. */
  readonly budgets: readonly BudgetStats[];
  /** Only with the option `canary`. */
  readonly canary?: CanaryStats;
  /** Only with the option `shadow`. Copies are in none of the other figures but that of their budget. */
  readonly shadow?: ShadowStats;
  /** Failures of listeners and of the logger since the start: they threw or rejected. */
  readonly listenerFailures: number;
  /** Only with the option `cluster`. */
  readonly cluster?: {
    /** How quotas are shared now. */
    readonly mode: ClusterMode;
    /** Number of processes last seen, including this one. */
    readonly members: number;
  };
}

/** What the statistics are taken from. */
export interface StatsParts extends Pick<BalancerStats, 'calls' | 'budgets' | 'listenerFailures'> {
  readonly endpoints: readonly Endpoint[];
  readonly queue: { readonly size: number; byPriority(): Record<Priority, number> };
  readonly canary: CanaryStats | undefined;
  readonly shadow: ShadowStats | undefined;
  readonly cluster: NonNullable<BalancerStats['cluster']> | undefined;
}

export function balancerStats(parts: StatsParts): BalancerStats {
  const { calls, queue, budgets, canary, shadow, listenerFailures, cluster } = parts;
  const now = performance.now();
  const endpoints = parts.endpoints.map((endpoint) => endpointStats(endpoint, now));
  return {
    total: endpoints.length,
    healthy: endpoints.filter(isHealthy).length,
    calls: { ...calls },
    queue: { size: queue.size, byPriority: queue.byPriority() },
    endpoints,
    budgets,
    ...(canary ? { canary } : {}),
    ...(shadow ? { shadow } : {}),
    listenerFailures,
    ...(cluster ? { cluster: { mode: cluster.mode, members: cluster.members } } : {}),
  };
}

/** Fields of the literal come first and optional ones later: with spreads in between, V8 builds the object several times slower. */
function endpointStats(endpoint: Endpoint, now: number): EndpointStats {
  const { settings, health, quotas } = endpoint;
  const { averageMs } = health.recentLatency;
  const left = leastLeft(quotas, now);
  const stats: Writable<EndpointStats> = {
    name: endpoint.name,
    model: settings.model,
    aliases: settings.aliases,
    provider: settings.provider,
    state: endpoint.state(now),
    weight: endpoint.weight,
    inFlight: endpoint.inFlight,
    failures: health.failures,
    skippedEvents: health.skippedEvents,
    averageLatencyMs: averageMs === undefined ? undefined : Math.round(averageMs),
    requestsLeft: left.requests,
    tokensLeft: left.tokens,
    usedShare: Math.round(endpoint.usedShare(now) * 1000) / 1000,
  };
  if (isHealthy(stats)) return stats;
  const reason = endpoint.unavailable.reason(now);
  if (reason !== undefined) stats.reason = reason;
  const cooldownEnd = endpoint.cooldownUntil(now);
  if (cooldownEnd > 0) stats.cooldownUntil = Math.round(Date.now() + cooldownEnd - now);
  return stats;
}

function isHealthy({ state, weight }: EndpointStats): boolean {
  return state === 'closed' && weight > 0;
}
