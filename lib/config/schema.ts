import { z } from 'zod';
import type { ClusterOptions } from '../cluster/options';
import { isConnection } from '../cluster/redis/redis-client';
import type { Dialect } from '../provider/dialect';
import type { StrategyName } from '../routing/strategy';
import { isObject } from '../util/is-object';
import { DEFAULTS } from './defaults';
import { capabilities, endpointSchema, price, strengths, timeouts, tokensPerMinute } from './endpoint-schema';
import type { BalancerConfig, Logger } from './options';
import {
  attempts,
  callable,
  count,
  countOrZero,
  duration,
  durationOrZero,
  flag,
  name,
  names,
  nonNegative,
  oneOf,
  optionalEach,
  options,
  percentage,
  positive,
  recordOf,
  share,
  validator,
  withMethods,
} from './validators';

const STRATEGIES = [
  'adaptive',
  'weighted',
  'round-robin',
  'least-busy',
  'lowest-latency',
  'lowest-cost',
] as const satisfies readonly StrategyName[];

const strategy = validator<BalancerConfig['strategy']>(
  `${STRATEGIES.map((name) => `'${name}'`).join(', ')}, or { name, pick(call, candidates) }`,
  (value) =>
    (STRATEGIES as readonly unknown[]).includes(value) ||
    (isObject(value) &&
      typeof value.name === 'string' &&
      value.name !== '' &&
      typeof value.pick === 'function'),
);

const dialect = validator<Dialect>(
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

const redis = validator<ClusterOptions['redis']>(
  'a redis:// or rediss:// URL, the options of an ioredis client, or an ioredis Redis or Cluster',
  (value) =>
    typeof value === 'string' ? /^rediss?:\/\/./.test(value) : isObject(value) || isConnection(value),
);

const prefix = validator<string>(
  'a string of 1 to 64 letters, digits, "_", ".", ":" or "-"',
  (value) => typeof value === 'string' && /^[\w.:-]{1,64}$/.test(value),
);

const modelLists = recordOf(names, 'an object of models and the models tried next');

const text = z.string({ error: 'a string' });

const proxy = options({
  host: name,
  port: validator<number>(
    'a port',
    (value) => Number.isInteger(value) && (value as number) > 0 && (value as number) < 65_536,
  ),
  protocol: name.optional(),
  auth: options({ username: text, password: text }).optional(),
});

function offOr<T extends z.ZodType>(value: T, expected: string) {
  return z.union([z.literal(false), value], { error: `false or ${expected}` });
}

export const configSchema = options({
  endpoints: z
    .array(endpointSchema, { error: 'an array of endpoints' })
    .refine((value) => value.length > 0, { error: 'at least one endpoint' }),
  fallbacks: modelLists.optional(),
  contentPolicyFallbacks: modelLists.optional(),
  quotaGroups: recordOf(
    options({ rpm: positive.optional(), tpm: tokensPerMinute.optional() }).refine(
      (group) => group.rpm !== undefined || group.tpm !== undefined,
      { error: 'rpm, tpm or both' },
    ),
    'an object of group names and limits',
  ).optional(),
  strategy: strategy.optional(),
  scoreWeights: optionalEach(DEFAULTS.scoreWeights, nonNegative).optional(),
  classify: callable<NonNullable<BalancerConfig['classify']>>('a function (body, req) => type').optional(),
  models: recordOf(
    options({
      strengths: strengths.optional(),
      price: price.optional(),
      latency: options({
        firstTokenMs: nonNegative,
        msPerPromptToken: nonNegative,
        msPerOutputToken: nonNegative,
      }).optional(),
      contextWindow: count.optional(),
      maxOutputTokens: count.optional(),
      capabilities: capabilities.optional(),
      quality: share.optional(),
      reasoning: flag.optional(),
      fallbacks: names.optional(),
    }),
    'an object of models and profiles',
  ).optional(),
  timeouts: timeouts.optional(),
  retry: options({
    maxAttempts: attempts.optional(),
    budgetRatio: share.optional(),
    budgetPerSecond: nonNegative.optional(),
    baseDelayMs: durationOrZero.optional(),
    maxDelayMs: durationOrZero.optional(),
  }).optional(),
  breaker: options({
    consecutiveFailures: count.optional(),
    errorThresholdPercentage: percentage.optional(),
    volumeThreshold: count.optional(),
    resetTimeoutMs: duration.optional(),
    maxResetTimeoutMs: duration.optional(),
    rampMs: durationOrZero.optional(),
  }).optional(),
  hedge: offOr(
    options({ budgetRatio: share.optional(), delayMs: durationOrZero.optional() }),
    '{ budgetRatio, delayMs }',
  ).optional(),
  queue: options({ maxSize: countOrZero.optional(), maxBytes: countOrZero.optional() }).optional(),
  coalesce: flag.optional(),
  idempotency: flag.optional(),
  stream: options({ recovery: oneOf('error', 'restart', 'continue').optional() }).optional(),
  cluster: options({
    redis,
    prefix: prefix.optional(),
    onOutage: oneOf('local-share', 'open', 'closed').optional(),
  }).optional(),
  dialects: recordOf(dialect, 'an object of provider names and dialects').optional(),
  estimateTokens: callable<NonNullable<BalancerConfig['estimateTokens']>>(
    'a function (body) => tokens',
  ).optional(),
  logger: withMethods<Logger>(
    'an object with debug, info, warn and error',
    'debug',
    'info',
    'warn',
    'error',
  ).optional(),
  http: options({
    axios: validator<NonNullable<BalancerConfig['http']>['axios']>(
      'an axios instance',
      (value) =>
        typeof value === 'function' && typeof (value as { request?: unknown }).request === 'function',
    ).optional(),
    proxy: offOr(proxy, '{ host, port, protocol, auth }').optional(),
    maxResponseBytes: count.optional(),
  }).optional(),
});

export type CheckedConfig = z.output<typeof configSchema>;
