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
  /** Model of the endpoint. */
  readonly model: string;
  /** Other names that calls can use for the model. */
  readonly aliases: readonly string[];
  /** Provider of the endpoint. */
  readonly provider: string;
  /** Whether the endpoint takes calls: the state of its breaker, or cooling down, or disabled. */
  readonly state: EndpointState;
  /**
   * Why the endpoint takes no calls, since when, until when and what to do; absent while it takes calls. The text may
   * quote the upstream: show it to operators, not to customers.
   */
  readonly reason?: string;
  /** The current weight, as configured or as set through the endpoint's handle. */
  readonly weight: number;
  /** Attempts in flight. */
  readonly inFlight: number;
  /** Failed attempts since the last success. */
  readonly failures: number;
  /**
   * Number of unreadable events in the endpoint's streams that were skipped since the start, because they contained no
   * part of an answer. If it grows, a proxy or the server garbles streams.
   */
  readonly skippedEvents: number;
  /** Moving average of the duration of whole answers, with weight 0.7 for the old value; undefined before the first. */
  readonly averageLatencyMs: number | undefined;
  /** Requests left in the quota; undefined without a limit, 0 also if more were used than the quota held. */
  readonly requestsLeft: number | undefined;
  /** Tokens left in the quota; undefined without a limit, 0 also if more were used than the quota held. */
  readonly tokensLeft: number | undefined;
  /** Used share of the endpoint's most used limit per minute, 0 to 1; 0 without such limits. */
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
  /** Calls that ended since the start, by result. Aborted calls are not counted. */
  readonly calls: {
    /** Calls that were answered. */
    readonly ok: number;
    /** Calls that failed. */
    readonly failed: number;
    /** Calls that were shed, because no quota was free in time. */
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
  /** All budgets except those of tenants, overall ones first. */
  readonly budgets: readonly BudgetStats[];
  /** State of the canary; absent without the option `canary`. */
  readonly canary?: CanaryStats;
  /**
   * Counts of the shadow copies; absent without the option `shadow`. Apart from the shadow's budget in `budgets`, no
   * other figure includes the copies.
   */
  readonly shadow?: ShadowStats;
  /** Number of times since the start that a listener or the logger threw or rejected. */
  readonly listenerFailures: number;
  /** State of the cluster; absent without the option `cluster`. */
  readonly cluster?: {
    /** How processes share quotas now. */
    readonly mode: ClusterMode;
    /** Number of processes last seen, including this one. */
    readonly members: number;
  };
}

/** The sources of the statistics. */
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

/**
 * Returns the statistics of one endpoint. Optional fields are added after the literal, because V8 builds an object with
 * conditional spreads several times slower.
 */
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
    requestsLeft: withoutDebt(left.requests),
    tokensLeft: withoutDebt(left.tokens),
    usedShare: Math.round(endpoint.usedShare(now) * 1000) / 1000,
  };
  if (isHealthy(stats)) return stats;
  const reason = endpoint.unavailable.reason(now);
  if (reason !== undefined) stats.reason = reason;
  const cooldownEnd = endpoint.cooldownUntil(now);
  if (cooldownEnd > 0) stats.cooldownUntil = Math.round(Date.now() + cooldownEnd - now);
  return stats;
}

function withoutDebt(left: number | undefined): number | undefined {
  return left === undefined ? undefined : Math.max(0, left);
}

function isHealthy({ state, weight }: EndpointStats): boolean {
  return state === 'closed' && weight > 0;
}
