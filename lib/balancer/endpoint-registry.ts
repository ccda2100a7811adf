import type { Budgets } from '../budget/budgets';
import type { Call } from '../call/call';
import type { Cluster } from '../cluster/cluster';
import { HealthReports } from '../cluster/health-reports/health-reports';
import { DEFAULTS } from '../config/defaults';
import type { ResolvedConfig } from '../config/options';
import { Endpoint, type EndpointListeners } from '../endpoint/endpoint';
import type { EndpointSettings } from '../endpoint/endpoint-settings';
import { applyHealthReport } from '../endpoint/health-reporter';
import { AiBalancerError } from '../errors';
import type { Routes } from '../failover/call-state';
import { RefusalCounts } from '../health/refusal-share';
import { SiblingSlowness } from '../health/sibling-slowness';
import { ConnectionPools } from '../http/connection/connection-pool';
import { Transport } from '../http/transport';
import { IN_MEMORY, type LimiterStore } from '../quota/limiter';
import { Quota } from '../quota/quota';
import type { RouteReport } from '../route-report';
import { Affinity, affinityKey } from '../routing/affinity';
import type { CanaryRouting } from '../routing/plan';
import { Planner } from '../routing/planner';
import { Router } from '../routing/router';
import { createStrategy } from '../routing/strategies/create';
import { isScored } from '../routing/strategy';
import { accountHash } from '../util/account-hash';
import { BoundedMap } from '../util/bounded-map';
import { Redactor } from '../util/redactor';

/** Maximum number of quotas that are kept after a reload has removed their endpoint or quota group. */
const MAX_RETIRED_QUOTAS = 1_000;
/** Maximum number of provider and model pairs in `#siblings`, which reloads only ever add to. */
const MAX_SIBLINGS = 10_000;

/**
 * Holds the endpoints and quotas of the configuration. A new configuration updates them in place, by name: quota
 * levels, debts, cooldowns, breakers and latencies carry over, and calls in flight are not affected.
 */
export class EndpointRegistry {
  readonly #listeners: EndpointListeners;
  readonly #redactor: Redactor;
  readonly #refusals = new RefusalCounts();
  /** The slowness that endpoints of the same provider and model share, by that pair. */
  readonly #siblings = new BoundedMap<string, SiblingSlowness>(MAX_SIBLINGS);
  readonly #limiterStore: LimiterStore;
  readonly #healthReports: HealthReports | undefined;
  readonly #budgets: Budgets | undefined;
  readonly #canary: (() => CanaryRouting | undefined) | undefined;
  readonly #quotas = new Map<string, Quota>();
  readonly #affinity = new Affinity();
  readonly #connectionPools = new ConnectionPools();
  #endpoints = new Map<string, Endpoint>();
  /** The endpoints' ids for health reports, by name. */
  #reportIds = new Map<string, string>();
  #routes: Routes;

  constructor(
    config: ResolvedConfig,
    listeners: EndpointListeners,
    redactor = new Redactor(),
    cluster?: Cluster,
    budgets?: Budgets,
    canary?: () => CanaryRouting | undefined,
  ) {
    this.#canary = canary;
    this.#budgets = budgets;
    this.#listeners = listeners;
    this.#redactor = redactor;
    this.#limiterStore = cluster ?? IN_MEMORY;
    this.#healthReports = cluster && this.#createHealthReports(cluster);
    this.#routes = this.#apply(config, 0);
  }

  get routes(): Routes {
    return this.#routes;
  }

  get endpoints(): readonly Endpoint[] {
    return [...this.#endpoints.values()];
  }

  /** @throws ERR_AI_NO_ENDPOINT */
  endpoint(name: string): Endpoint {
    const endpoint = this.#endpoints.get(name);
    if (endpoint) return endpoint;
    const names = [...this.#endpoints.keys()].join(', ');
    const message = `no endpoint is named '${name}'; the endpoints are ${names}`;
    throw new AiBalancerError('ERR_AI_NO_ENDPOINT', message, { status: 404 });
  }

  /** Returns the base URL of an endpoint, without credentials; undefined if no endpoint has that name. */
  baseURLOf(name: string): string | undefined {
    return this.#endpoints.get(name)?.settings.baseURL;
  }

  /**
   * Records that the provider's prompt cache holds the beginning of the call's prompt at the endpoint that served the
   * call.
   */
  learnCached(call: Call, { endpoint, usage }: RouteReport): void {
    const key = usage && affinityKey(call);
    if (!usage || key === undefined) return;
    const cachedTokens = usage.prompt_tokens_details?.cached_tokens;
    this.#affinity.learn(key, endpoint, usage.prompt_tokens, cachedTokens, performance.now());
  }

  configure(config: ResolvedConfig): void {
    this.#routes = this.#apply(config, this.#routes.generation + 1);
  }

  close(): void {
    this.#healthReports?.close();
    for (const endpoint of this.#endpoints.values()) endpoint.close();
    for (const quota of this.#quotas.values()) quota.close();
  }

  #apply(config: ResolvedConfig, generation: number): Routes {
    const before = this.#endpoints;
    this.#reportIds = new Map(
      config.endpoints.map(({ name, baseURL, apiKey, model }) => [
        name,
        `${name} ${accountHash(baseURL, apiKey, model)}`,
      ]),
    );
    this.#endpoints = new Map(
      config.endpoints.map((settings) => [settings.name, this.#endpoint(settings, config)]),
    );
    for (const [name, endpoint] of before) {
      if (!this.#endpoints.has(name)) endpoint.retire();
    }
    this.#dropRetiredQuotas();
    const strategy = createStrategy(config);
    const affinity = this.#affinity;
    return {
      generation,
      planner: new Planner(
        this.endpoints,
        config.fallbacks,
        isScored(strategy) ? { affinity } : undefined,
        this.#canary?.(),
      ),
      router: new Router(strategy, affinity),
      retry: config.retry,
      contentPolicyFallbacks: config.contentPolicyFallbacks,
      maxResponseBytes: config.http.maxResponseBytes,
    };
  }

  #endpoint(settings: EndpointSettings, config: ResolvedConfig): Endpoint {
    const dialect = config.dialects.get(settings.provider);
    if (!dialect) throw new TypeError(`no dialect for '${settings.provider}'`);
    const parts = {
      settings,
      dialect,
      transport: this.#transport(settings, config),
      breaker: config.breaker,
      quotas: this.#quotasFor(settings, config),
      budgets: this.#budgets?.of(settings.name, settings.quotaGroup),
      listeners: this.#listeners,
      healthReports: this.#healthReports,
      redactor: this.#redactor,
      refusals: this.#refusals,
      siblings: this.#siblingsOf(settings),
      onDropped: (features: readonly string[]) => this.#listeners.onDropped?.(settings.name, features),
    };
    const existing = this.#endpoints.get(settings.name);
    existing?.configure(parts);
    return existing ?? new Endpoint(parts);
  }

  #siblingsOf({ provider, model }: EndpointSettings): SiblingSlowness {
    const key = `${provider}\n${model}`;
    const known = this.#siblings.get(key);
    if (known) return known;
    const siblings = new SiblingSlowness();
    this.#siblings.set(key, siblings);
    return siblings;
  }

  #createHealthReports({ healthReports }: Cluster): HealthReports {
    return new HealthReports({
      ...healthReports,
      endpointId: (name) => this.#reportIds.get(name) ?? name,
      onReport: (report) =>
        applyHealthReport(report, {
          endpoint: (name) => this.#endpoints.get(name),
          quota: (name) => this.#quotas.get(name),
        }),
    });
  }

  #quotasFor(settings: EndpointSettings, config: ResolvedConfig): readonly Quota[] {
    const { name, baseURL, apiKey, model, limits, burstSeconds, quotaGroup } = settings;
    const ownName = this.#quotaName(`endpoint ${name}`, accountHash(baseURL, apiKey, model));
    const own = this.#quota(ownName, limits, burstSeconds);
    if (quotaGroup === undefined) return [own];
    const groupLimits = config.quotaGroups.get(quotaGroup) ?? {};
    const groupName = this.#quotaName(`group ${quotaGroup}`, groupAccount(quotaGroup, config) ?? '');
    return [own, this.#quota(groupName, groupLimits, DEFAULTS.endpoint.burstSeconds)];
  }

  /**
   * Adds the account to a quota's name in a cluster, where processes share quotas of the same name: two apps with
   * different accounts must not share one.
   */
  #quotaName(name: string, account: string): string {
    return this.#healthReports ? `${name} ${account}` : name;
  }

  #quota(name: string, limits: EndpointSettings['limits'], burstSeconds: number): Quota {
    const existing = this.#quotas.get(name);
    existing?.configure(limits, burstSeconds);
    const quota = existing ?? new Quota(name, limits, burstSeconds, this.#limiterStore);
    this.#quotas.set(name, quota);
    return quota;
  }

  /**
   * Drops full quotas that no endpoint uses any more. A quota that is not full stays, so that removing and re-adding
   * its endpoint does not refill it.
   */
  #dropRetiredQuotas(): void {
    const used = new Set(this.endpoints.flatMap(({ quotas }) => quotas));
    const now = performance.now();
    const retired = [...this.#quotas.values()].filter((quota) => !used.has(quota));
    const kept = new Set(retired.filter((quota) => !quota.isUntouched(now)).slice(-MAX_RETIRED_QUOTAS));
    for (const quota of retired) {
      if (kept.has(quota)) continue;
      quota.close();
      this.#quotas.delete(quota.name);
    }
  }

  /** Returns the endpoint's current transport, or a new one if the transport's options have changed. */
  #transport({ name, baseURL, timeouts }: EndpointSettings, { http }: ResolvedConfig): Transport {
    const { axios, proxy, maxResponseBytes } = http;
    const options = { baseURL, connectMs: timeouts.connectMs, axios, proxy, maxResponseBytes };
    const existing = this.#endpoints.get(name)?.exchange.transport;
    return existing?.hasOptions(options) ? existing : new Transport(options, this.#connectionPools);
  }
}

/** Returns the account hash of the group's first endpoint, which stays the same when a deploy appends endpoints. */
export function groupAccount(group: string, { endpoints }: ResolvedConfig): string | undefined {
  const first = endpoints.find(({ quotaGroup }) => quotaGroup === group);
  return first && accountHash(first.baseURL, first.apiKey);
}
