import { z } from 'zod';
import type { BudgetStore, TenantSpendLimit } from '../budget/options';
import type { CacheOptions } from '../cache/options';
import type { ClusterOptions } from '../cluster/options';
import type { Hooks } from '../hooks/options';
import { isProxyAddress, proxiesOfEnvironment } from '../http/connection/proxy';
import type { Dialect } from '../provider/dialect';
import type { StrategyName } from '../routing/strategy';
import type { ShadowOptions } from '../shadow/options';
import { isObject } from '../util/is-object';
import { isConnection } from '../util/redis';
import { DEFAULTS } from './defaults';
import {
  capabilities,
  endpointSchema,
  price,
  spendLimits,
  strengths,
  timeouts,
  tokensPerMinute,
} from './endpoint-schema';
import type { BalancerConfig, Logger } from './options';
import * as v from './validators';

const STRATEGIES = [
  'adaptive',
  'weighted',
  'round-robin',
  'least-busy',
  'lowest-latency',
  'lowest-cost',
] as const satisfies readonly StrategyName[];

const strategy = v.validator<BalancerConfig['strategy']>(
  `${STRATEGIES.map((name) => `'${name}'`).join(', ')}, or { name, pick(call, candidates) }`,
  (value) =>
    (STRATEGIES as readonly unknown[]).includes(value) ||
    (isObject(value) &&
      typeof value.name === 'string' &&
      value.name !== '' &&
      typeof value.pick === 'function'),
);

const dialect = v.validator<Dialect>(
  'a Dialect: { name, operations, request, answer, failure, limits, chunks? }',
  (value) =>
    isObject(value) &&
    typeof value.name === 'string' &&
    Array.isArray(value.operations) &&
    value.operations.length > 0 &&
    value.operations.every((operation) => operation === 'chat' || operation === 'embeddings') &&
    ['request', 'answer', 'failure', 'limits'].every((method) => typeof value[method] === 'function') &&
    (value.chunks === undefined || typeof value.chunks === 'function'),
);

const REDIS = 'a redis:// or rediss:// URL, the options of an ioredis client, or an ioredis Redis or Cluster';
const redis = z
  .custom<ClusterOptions['redis']>(
    (value) =>
      typeof value === 'string' ? /^rediss?:\/\/./.test(value) : isObject(value) || isConnection(value),
    { error: ({ input }) => (input ? REDIS : `${REDIS} (is the environment variable set?)`) },
  )
  // Refuses `host: undefined`, with which ioredis would connect to 127.0.0.1.
  .refine((value) => !(isObject(value) && 'host' in value && value.host === undefined), {
    error: 'options whose host is not undefined (is the environment variable set?)',
  });

const prefix = v.validator<string>(
  'a string of 1 to 64 letters, digits, "_", ".", ":" or "-"',
  (value) => typeof value === 'string' && /^[\w.:-]{1,64}$/.test(value),
);

const modelLists = v.recordOf(v.names, 'an object of models and the models tried next');

const text = z.string({ error: 'a string' });

const proxyAddress = v.options({
  host: v.name,
  port: v.validator<number>(
    'a port',
    (value) => Number.isInteger(value) && (value as number) > 0 && (value as number) < 65_536,
  ),
  ...v.optional({ protocol: v.name, auth: v.options({ username: text, password: text }) }),
});

const proxy = z
  .union([z.literal(false), z.literal('env'), proxyAddress], {
    error:
      "false, 'env' or an object { host, port, protocol, auth } such as { protocol: 'http', host: '10.0.0.9', port: 3128 }",
  })
  .refine((value) => value !== 'env' || proxiesOfEnvironment().every(isProxyAddress), {
    error: "'env' with http:// or https:// URLs in HTTP_PROXY and HTTPS_PROXY",
  });

function offOr<T extends z.ZodType>(value: T, expected: string) {
  return z.union([z.literal(false), value], { error: `false or ${expected}` });
}

const hookFunction = 'a function';
const hooks = v.partial({
  name: v.name,
  before: v.callable<NonNullable<Hooks['before']>>(hookFunction),
  after: v.callable<NonNullable<Hooks['after']>>(hookFunction),
  text: v.callable<NonNullable<Hooks['text']>>(hookFunction),
  windowChars: v.count,
  timeoutMs: v.duration,
  onFailure: v.oneOf('closed', 'open'),
});

const cache = v
  .partial({
    calls: v.oneOf('deterministic', 'all'),
    ttlMs: v.duration,
    staleIfErrorMs: v.durationOrZero,
    maxBytes: v.count,
    redis: v.flag,
    get: v.callable<NonNullable<CacheOptions['get']>>(hookFunction),
    set: v.callable<NonNullable<CacheOptions['set']>>(hookFunction),
  })
  .refine((value) => (value.get === undefined) === (value.set === undefined), {
    error: 'both get and set, or neither',
  });

/** A number, or a function of the tenant whose result is checked at each call. */
const tenantLimit = v.validator<TenantSpendLimit>(
  'US dollars above 0, at most 1000000, or a function of the tenant',
  (value) => typeof value === 'function' || v.dollars.safeParse(value).success,
);

const allowed = offOr(v.atLeastOne, 'a number of at least 1');

export const configSchema = v.options({
  endpoints: z
    .array(endpointSchema, { error: 'an array of endpoints' })
    .refine((value) => value.length > 0, { error: 'at least one endpoint' }),
  ...v.optional({
    fallbacks: modelLists,
    contentPolicyFallbacks: modelLists,
    quotaGroups: v.recordOf(
      v
        .partial({ rpm: v.positive, tpm: tokensPerMinute, ...spendLimits })
        .refine((group) => Object.values(group as object).some((limit) => limit !== undefined), {
          error: 'at least one of rpm, tpm, usdPerHour, usdPerDay, usdPerMonth',
        }),
      'an object of group names and limits',
    ),
    budgets: v.partial({
      ...spendLimits,
      timeZone: v.timeZone,
      window: v.oneOf('calendar', 'rolling'),
      onExceeded: v.oneOf('refuse', 'cheapest'),
      perTenant: v
        .partial({
          usdPerHour: tenantLimit,
          usdPerDay: tenantLimit,
          usdPerMonth: tenantLimit,
          onExceeded: v.oneOf('refuse', 'cheapest'),
          maxTenants: v.count,
        })
        .refine((given) => (given.usdPerHour ?? given.usdPerDay ?? given.usdPerMonth) !== undefined, {
          error: 'at least one of usdPerHour, usdPerDay, usdPerMonth',
        }),
      store: v.withMethods<BudgetStore>('an object with update(key, change, ttlMs)', 'update'),
    }),
    canary: v.options({
      share: v.fractionUpToHalf,
      ...v.optional({
        model: v.name,
        endpoint: v.name,
        replaces: v.name,
        guard: v.partial({ errors: allowed, p95: allowed, cost: allowed, score: allowed }),
      }),
    }),
    shadow: v.options({
      share: v.fractionAboveZero,
      ...v.optional({
        model: v.name,
        endpoint: v.name,
        replaces: v.name,
        maxConcurrent: v.count,
        timeoutMs: v.duration,
        compare: v.callable<NonNullable<ShadowOptions['compare']>>('a function of a pair of answers'),
        ...spendLimits,
      }),
    }),
    strategy,
    scoreWeights: v.partialOf(DEFAULTS.scoreWeights, v.nonNegative),
    classify: v.callable<NonNullable<BalancerConfig['classify']>>('a function (body, req) => type'),
    models: v.recordOf(
      v.partial({
        strengths,
        price,
        latency: v.options({
          firstTokenMs: v.nonNegative,
          msPerPromptToken: v.nonNegative,
          msPerOutputToken: v.nonNegative,
        }),
        contextWindow: v.count,
        maxOutputTokens: v.count,
        capabilities,
        quality: v.share,
        reasoning: v.flag,
        fallbacks: v.names,
      }),
      'an object of models and profiles',
    ),
    timeouts,
    retry: v.partial({
      maxAttempts: v.attempts,
      budgetRatio: v.share,
      budgetPerSecond: v.nonNegative,
      baseDelayMs: v.durationOrZero,
      maxDelayMs: v.durationOrZero,
    }),
    breaker: v.partial({
      consecutiveFailures: v.count,
      errorThresholdPercentage: v.percentage,
      volumeThreshold: v.count,
      resetTimeoutMs: v.duration,
      maxResetTimeoutMs: v.duration,
      rampMs: v.durationOrZero,
    }),
    hedge: offOr(v.partial({ budgetRatio: v.share, delayMs: v.durationOrZero }), '{ budgetRatio, delayMs }'),
    queue: v.partial({ maxSize: v.countOrZero, maxBytes: v.countOrZero }),
    coalesce: v.flag,
    idempotency: v.flag,
    cache,
    hooks: z.union([z.array(hooks), hooks], { error: 'hooks, or an array of hooks' }),
    stream: v.partial({ recovery: v.oneOf('error', 'restart', 'continue') }),
    cluster: v.options(
      { redis, ...v.optional({ prefix, onOutage: v.oneOf('local-share', 'open', 'closed') }) },
      "an object such as { redis: 'redis://localhost:6379' }",
    ),
    dialects: v.recordOf(dialect, 'an object of provider names and dialects'),
    estimateTokens: v.callable<NonNullable<BalancerConfig['estimateTokens']>>('a function (body) => tokens'),
    logger: offOr(
      v.withMethods<Logger>(
        'false or an object with debug, info, warn and error',
        'debug',
        'info',
        'warn',
        'error',
      ),
      'an object with debug, info, warn and error',
    ),
    http: v.partial({
      axios: v.validator<NonNullable<BalancerConfig['http']>['axios']>(
        'an axios instance',
        (value) =>
          typeof value === 'function' && typeof (value as { request?: unknown }).request === 'function',
      ),
      proxy,
      maxResponseBytes: v.count,
    }),
  }),
});

export type CheckedConfig = z.output<typeof configSchema>;
