import type { EndpointSettings } from '../endpoint/endpoint-settings';
import { profileOf } from '../models/catalogue';
import { BUILT_IN_DIALECTS } from '../provider/dialects';
import { configError, shapeFaults } from './config-errors';
import { crossFaults } from './cross-checks';
import { DEFAULTS } from './defaults';
import { definedOnly, resolveEndpoint, withDefaults } from './endpoint';
import { catalogueFallbacks, givenFallbacks } from './fallbacks';
import type { BalancerConfig, ResolvedConfig } from './options';
import { quietLogger } from './quiet-logger';
import { resolveQuotaGroups } from './quota-groups';
import { type CheckedConfig, configSchema } from './schema';

/**
 * Checks a configuration and fills in every default and the catalogue's figures. The caller's object is left as it is
 * and not kept: only what is alive (functions, the logger, dialects, a strategy, an axios instance) is taken by reference.
 *
 * @throws AiBalancerError ERR_AI_CONFIG that lists every fault, one a line: path, expected, got. Keys are never shown.
 */
export function resolveConfig(config: BalancerConfig): ResolvedConfig {
  const shapes = configSchema.safeParse(config);
  const faults = [...(shapes.error ? shapeFaults(config, shapes.error.issues) : []), ...crossFaults(config)];
  if (!shapes.success || faults.length > 0) throw configError(faults);
  return fill(shapes.data);
}

function fill(config: CheckedConfig): ResolvedConfig {
  const endpoints = config.endpoints.map((endpoint) => resolveEndpoint(endpoint, config));
  return Object.freeze({
    endpoints: Object.freeze(endpoints),
    fallbacks: config.fallbacks ? givenFallbacks(config.fallbacks, endpoints) : catalogueFallbacks(endpoints),
    contentPolicyFallbacks: givenFallbacks(config.contentPolicyFallbacks ?? {}, endpoints),
    quotaGroups: resolveQuotaGroups(config.quotaGroups, endpoints),
    strategy: config.strategy ?? DEFAULTS.strategy,
    scoreWeights: Object.freeze(withDefaults(DEFAULTS.scoreWeights, config.scoreWeights)),
    classify: config.classify,
    retry: Object.freeze(withDefaults(DEFAULTS.retry, config.retry)),
    breaker: Object.freeze(withDefaults(DEFAULTS.breaker, config.breaker)),
    hedge: config.hedge === false ? false : Object.freeze(withDefaults(DEFAULTS.hedge, config.hedge)),
    queue: Object.freeze(withDefaults(DEFAULTS.queue, config.queue)),
    coalesce: config.coalesce ?? DEFAULTS.coalesce,
    idempotency: config.idempotency ?? DEFAULTS.idempotency,
    stream: Object.freeze(withDefaults(DEFAULTS.stream, config.stream)),
    cluster: config.cluster && Object.freeze({ ...DEFAULTS.cluster, ...definedOnly(config.cluster) }),
    dialects: new Map([...BUILT_IN_DIALECTS, ...Object.entries(config.dialects ?? {})]),
    estimateTokens: config.estimateTokens,
    logger: config.logger && quietLogger(config.logger),
    http: Object.freeze({
      axios: config.http?.axios,
      proxy: config.http?.proxy === undefined ? DEFAULTS.http.proxy : proxyOf(config.http.proxy),
      maxResponseBytes: config.http?.maxResponseBytes ?? DEFAULTS.http.maxResponseBytes,
    }),
    unknownModels: Object.freeze(unknownModels(endpoints, config)),
  });
}

function proxyOf(
  proxy: NonNullable<NonNullable<CheckedConfig['http']>['proxy']>,
): ResolvedConfig['http']['proxy'] {
  return proxy === false ? false : definedOnly(proxy);
}

function unknownModels(endpoints: readonly EndpointSettings[], config: CheckedConfig): string[] {
  const models = new Set(endpoints.map(({ model }) => model));
  return [...models].filter((model) => !profileOf(model, definedOnly(config.models)).known);
}
