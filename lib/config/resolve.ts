import type { ResolvedBudgets, ResolvedTenantBudgets, TenantBudgetOptions } from '../budget/options';
import type { ResolvedCacheOptions } from '../cache/options';
import type { ResolvedCanary } from '../canary/options';
import type { EndpointSettings } from '../endpoint/endpoint-settings';
import type { ResolvedHooks } from '../hooks/options';
import type { ProxySetting } from '../http/connection/proxy';
import { profileOf } from '../models/catalogue';
import { BUILT_IN_DIALECTS } from '../provider/dialects';
import type { ResolvedShadow } from '../shadow/options';
import type { StreamOptions } from '../stream/chat-stream';
import { omitUndefined, withDefaults } from '../util/defaults';
import { Redactor } from '../util/redactor';
import { configError, type Fault, schemaFaults } from './config-errors';
import { crossCheckFaults } from './cross-checks';
import { DEFAULTS } from './defaults';
import { catalogueFallbacks, configuredFallbacks } from './fallbacks';
import type { BalancerConfig, ResolvedConfig } from './options';
import { resolveEndpoint, resolveQuotaGroups, spendLimitsOf } from './resolve-endpoint';
import { type CheckedConfig, configSchema } from './schema';
import { secretsOf } from './secrets';

/**
 * Checks a configuration and fills in all defaults and the catalogue's values. The caller's object is neither changed
 * nor kept; only functions, the logger, dialects, a strategy and an axios instance are kept by reference.
 *
 * @throws ERR_AI_CONFIG that lists every fault on its own line: path, expected, got. Keys are never shown.
 */
export function resolveConfig(config: BalancerConfig): ResolvedConfig {
  const parsed = configSchema.safeParse(config);
  const faults = faultsOf(config, parsed);
  if (!parsed.success || faults.length > 0) throw configError(faults, new Redactor(secretsOf(config)));
  return withAllDefaults(parsed.data);
}

/** Finds all faults of a configuration, which may be of any type. */
export function configFaults(config: unknown): Fault[] {
  return faultsOf(config, configSchema.safeParse(config));
}

function faultsOf(config: unknown, parsed: ReturnType<typeof configSchema.safeParse>): Fault[] {
  return [...schemaFaults(config, parsed), ...crossCheckFaults(config)];
}

function withAllDefaults(config: CheckedConfig): ResolvedConfig {
  const endpoints = config.endpoints.map((endpoint) => resolveEndpoint(endpoint, config));
  return Object.freeze({
    endpoints: Object.freeze(endpoints),
    fallbacks: config.fallbacks
      ? configuredFallbacks(config.fallbacks, endpoints)
      : catalogueFallbacks(endpoints),
    contentPolicyFallbacks: configuredFallbacks(config.contentPolicyFallbacks ?? {}, endpoints),
    quotaGroups: resolveQuotaGroups(config.quotaGroups, endpoints),
    budgets: resolveBudgets(config.budgets),
    canary: config.canary && resolveCanary(config.canary),
    shadow: config.shadow && resolveShadow(config.shadow),
    groupBudgets: new Map(
      Object.entries(config.quotaGroups ?? {}).map(([name, group]) => [name, spendLimitsOf(group)]),
    ),
    strategy: config.strategy ?? DEFAULTS.strategy,
    scoreWeights: Object.freeze(withDefaults(DEFAULTS.scoreWeights, config.scoreWeights)),
    classify: config.classify,
    retry: Object.freeze(withDefaults(DEFAULTS.retry, config.retry)),
    breaker: Object.freeze(withDefaults(DEFAULTS.breaker, config.breaker)),
    hedge: config.hedge === false ? false : Object.freeze(withDefaults(DEFAULTS.hedge, config.hedge)),
    queue: Object.freeze(withDefaults(DEFAULTS.queue, config.queue)),
    coalesce: config.coalesce ?? DEFAULTS.coalesce,
    idempotency: config.idempotency ?? DEFAULTS.idempotency,
    cache: config.cache && resolveCache(config.cache),
    hooks: Object.freeze(resolveHooks(config.hooks)),
    stream: Object.freeze(withDefaults<StreamOptions>(DEFAULTS.stream, config.stream)),
    cluster: config.cluster && Object.freeze({ ...DEFAULTS.cluster, ...omitUndefined(config.cluster) }),
    dialects: new Map([...BUILT_IN_DIALECTS, ...Object.entries(config.dialects ?? {})]),
    estimateTokens: config.estimateTokens,
    logger: config.logger,
    http: Object.freeze({
      axios: config.http?.axios,
      proxy: resolveProxy(config.http?.proxy),
      maxResponseBytes: config.http?.maxResponseBytes ?? DEFAULTS.http.maxResponseBytes,
    }),
    secrets: Object.freeze(secretsOf(config)),
    undefinedKeys: Object.freeze(
      endpoints.flatMap(({ name, apiKey }, index) =>
        apiKey === undefined && Object.hasOwn(config.endpoints[index] ?? {}, 'apiKey') ? name : [],
      ),
    ),
    unknownModels: Object.freeze(unknownModels(endpoints, config)),
  });
}

function resolveCache({ get, set, ...options }: NonNullable<CheckedConfig['cache']>): ResolvedCacheOptions {
  const store = get && set && { get, set };
  return Object.freeze({
    ...withDefaults<Omit<ResolvedCacheOptions, 'store'>>(DEFAULTS.cache, options),
    store,
  });
}

function resolveHooks(hooks: CheckedConfig['hooks'] = []): ResolvedHooks[] {
  const list = Array.isArray(hooks) ? hooks : [hooks];
  return list.map((each, position) =>
    Object.freeze({ name: `hooks[${position}]`, ...DEFAULTS.hooks, ...omitUndefined(each) }),
  );
}

function resolveProxy(proxy: NonNullable<CheckedConfig['http']>['proxy']): ProxySetting {
  if (proxy === undefined) return DEFAULTS.http.proxy;
  return typeof proxy === 'object' ? omitUndefined(proxy) : proxy;
}

function resolveCanary({ guard, ...canary }: NonNullable<CheckedConfig['canary']>): ResolvedCanary {
  return Object.freeze({
    ...omitUndefined(canary),
    guard: withDefaults<ResolvedCanary['guard']>(DEFAULTS.canary.guard, guard),
  });
}

function resolveShadow(given: NonNullable<CheckedConfig['shadow']>): ResolvedShadow {
  const { model, endpoint, replaces, share, compare, maxConcurrent, timeoutMs } = given;
  const { usdPerDay, ...defaults } = DEFAULTS.shadow;
  const limits = spendLimitsOf(given);
  return Object.freeze({
    ...omitUndefined({ model, endpoint, replaces, compare }),
    ...withDefaults(defaults, { maxConcurrent, timeoutMs }),
    share,
    limits: Object.keys(limits).length > 0 ? limits : { usdPerDay },
  });
}

function resolveBudgets(given: CheckedConfig['budgets'] = {}): ResolvedBudgets {
  const { timeZone, window, onExceeded, store, perTenant } = given;
  return Object.freeze({
    ...withDefaults<Omit<ResolvedBudgets, 'limits' | 'store' | 'perTenant'>>(DEFAULTS.budgets, {
      timeZone,
      window,
      onExceeded,
    }),
    limits: spendLimitsOf(given),
    store,
    perTenant: perTenant && resolveTenantBudgets(perTenant),
  });
}

function resolveTenantBudgets({
  onExceeded,
  maxTenants,
  ...limits
}: TenantBudgetOptions): ResolvedTenantBudgets {
  return Object.freeze({
    ...withDefaults<Omit<ResolvedTenantBudgets, 'limits'>>(DEFAULTS.tenantBudgets, {
      onExceeded,
      maxTenants,
    }),
    limits: Object.freeze(omitUndefined(limits)),
  });
}

function unknownModels(endpoints: readonly EndpointSettings[], config: CheckedConfig): string[] {
  const models = new Set(endpoints.map(({ model }) => model));
  return [...models].filter((model) => !profileOf(model, omitUndefined(config.models)).isKnown);
}
