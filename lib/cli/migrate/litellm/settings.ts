import { writeCache } from '../cache';
import type { Migration } from '../migration';
import type { Section } from '../section';
import type { Value, Variable } from '../value';
import { budgetOf } from './endpoints';

const STRATEGIES: Readonly<Record<string, readonly [strategy: string, difference: string | undefined]>> = {
  'simple-shuffle': ['weighted', undefined],
  'least-busy': ['least-busy', undefined],
  'latency-based-routing': ['lowest-latency', undefined],
  'cost-based-routing': ['lowest-cost', undefined],
  'usage-based-routing': [
    'adaptive',
    'the scarcity of a quota is one term of the score, beside deadline and price',
  ],
  'usage-based-routing-v2': [
    'adaptive',
    'the scarcity of a quota is one term of the score, beside deadline and price',
  ],
};
const CALLBACK = 'events, metrics, traces and logs are in docs/observability.md';
const NO_DATABASE =
  'there is no database of keys and teams: tenants are your own (docs/guard.md, docs/budgets.md)';
const CLASSES = 'what is retried depends on the class of failure (docs/failure-classes.md)';

const ROUTER: Readonly<Record<string, string>> = {
  enable_pre_call_checks: 'is always done: limits and context windows are checked before a call',
  optional_pre_call_checks:
    'limits are always kept; a session stays at its endpoint by affinity (docs/routing.md)',
  retry_policy: CLASSES,
  allowed_fails_policy: CLASSES,
  model_group_retry_policy: CLASSES,
  routing_strategy_args: 'the strategies have no such arguments (docs/routing.md)',
  retry_after: 'Retry-After of the provider is obeyed, and retries back off: retry.baseDelayMs',
  disable_cooldowns: 'breakers can not be turned off (docs/failover.md)',
  enable_tag_filtering: "an endpoint's tags are required by the option tags of a call",
  set_verbose: CALLBACK,
};
const LITELLM: Readonly<Record<string, string>> = {
  drop_params: 'what a provider can not express is dropped or refused by field (docs/providers.md)',
  modify_params: 'what a provider can not express is dropped or refused by field (docs/providers.md)',
  callbacks: CALLBACK,
  success_callback: CALLBACK,
  failure_callback: CALLBACK,
  service_callbacks: CALLBACK,
  set_verbose: CALLBACK,
  json_logs: 'give the balancer a logger (docs/observability.md)',
  turn_off_message_logging: 'is always so: prompts and answers are never logged',
  redact_user_api_key_info: 'is always so: keys are never logged',
  force_ipv4: 'set it for the process: node --dns-result-order=ipv4first',
};
const GENERAL: Readonly<Record<string, string>> = {
  database_url: NO_DATABASE,
  store_model_in_db: NO_DATABASE,
  alerting: CALLBACK,
  background_health_checks: 'probes go out beside calls that others serve (docs/failover.md)',
  health_check_interval: 'probes go out beside calls that others serve (docs/failover.md)',
  global_max_parallel_requests:
    'set maxConcurrent of each endpoint, or rpm in rateLimitGuard (docs/guard.md)',
  custom_auth: 'authenticate of aiGateway, or your own middleware (docs/gateway.md)',
};

/** The sections of a LiteLLM configuration. As in LiteLLM, the router's settings take precedence. */
export interface Settings {
  readonly router: Section | undefined;
  readonly litellm: Section | undefined;
  readonly general: Section | undefined;
}

/** Writes the options that don't belong to a single endpoint. */
export function writeOptions({ router, litellm }: Settings, migration: Migration): void {
  const { options } = migration;
  const first = (...names: readonly string[]): [Section, string, number] | undefined => {
    let found: [Section, string, number] | undefined;
    for (const section of [router, litellm]) {
      for (const name of names) {
        const value = section?.plainNumber(name);
        if (section && value !== undefined) found ??= [section, name, value];
      }
    }
    return found;
  };
  options.strategy = router ? strategyOf(router) : 'weighted';
  const retries = first('num_retries');
  if (retries) {
    const [section, name, count] = retries;
    migration.addRetries(section.at(name), count);
  }
  const timeout = first('timeout', 'request_timeout');
  const stream = first('stream_timeout');
  if (timeout || stream)
    options.timeouts = {
      totalMs: timeout && Math.round(timeout[2] * 1000),
      firstTokenMs: stream && Math.round(stream[2] * 1000),
    };
  options.breaker = breakerOf(first('allowed_fails'), first('cooldown_time'));
  const budget = litellm ? budgetOf(litellm) : {};
  if (Object.keys(budget).length > 0) options.budgets = budget;
  writeRedisAndCache(router, litellm, migration);
}

/** Adds notes for fields that have not been read. Must be called after all others have been. */
export function leaveOutRest({ router, litellm, general }: Settings): void {
  router?.leaveOutRest(ROUTER);
  litellm?.leaveOutRest(LITELLM);
  general?.leaveOutRest(GENERAL);
}

function strategyOf(router: Section): string {
  const given = router.text('routing_strategy') ?? 'simple-shuffle';
  const known = Object.hasOwn(STRATEGIES, given) ? STRATEGIES[given] : undefined;
  if (!known) {
    router.migration.leftOut(
      router.at('routing_strategy'),
      `no strategy is like '${given}': 'adaptive' is used`,
    );
    return 'adaptive';
  }
  const [strategy, difference] = known;
  if (difference !== undefined)
    router.migration.changed(router.at('routing_strategy'), `'${strategy}': ${difference}`);
  return strategy;
}

type Found = [Section, string, number] | undefined;

function breakerOf(fails: Found, cooldown: Found): Value | undefined {
  const found = fails ?? cooldown;
  if (!found) return undefined;
  const [section, name] = found;
  const resetMs = cooldown === undefined ? undefined : Math.max(1, Math.round(cooldown[2] * 1000));
  const openFor = resetMs === undefined ? 'longer each time' : `about ${String(resetMs / 1000)} s each time`;
  section.migration.changed(
    section.at(name),
    `the breaker opens after failures in a row, or above 50 % of failures; it stays open ${openFor}; a 429 is a cooldown of its own`,
  );
  return {
    consecutiveFailures: fails === undefined ? undefined : Math.max(1, fails[2] + 1),
    resetTimeoutMs: resetMs,
    // Equal to `resetTimeoutMs`, so that the time does not grow after failed probes, as in LiteLLM.
    maxResetTimeoutMs: resetMs,
  };
}

function writeRedisAndCache(
  router: Section | undefined,
  litellm: Section | undefined,
  migration: Migration,
): void {
  const cache = litellm?.flag('cache');
  const params = litellm?.section('cache_params');
  const type = params?.text('type');
  const isRedis =
    cache === true && (type === 'redis' || (type === undefined && params?.has('host') === true));
  const redis =
    (router && redisOf(router, 'redis_')) ?? (isRedis && params ? redisOf(params, '') : undefined);
  if (redis !== undefined) migration.options.cluster = { redis };
  const ttl = params?.plainNumber('ttl');
  if (cache === true && params && type !== undefined && !['redis', 'local', 'in-memory'].includes(type))
    migration.leftOut(
      params.at('type'),
      `a cache of type '${type}': only equal calls are cached (docs/cache.md)`,
    );
  else if (cache === true && litellm) {
    writeCache(
      litellm.at('cache'),
      {
        ttlMs: ttl === undefined ? undefined : Math.round(ttl * 1000),
        redis: isRedis && redis !== undefined ? true : undefined,
      },
      migration,
    );
    if (isRedis && redis === undefined)
      migration.checkFirst(
        litellm.at('cache_params'),
        'no Redis is named, so each process has its own cache: set cluster.redis and cache.redis to share it',
      );
    migration.changed(
      litellm.at('cache'),
      'answers are cached per tenant, and only for equal calls (docs/cache.md)',
    );
  }
  params?.leaveOutRest();
}

/** Reads a connection from `host`, `port`, `password` or `url` with a prefix. The result never contains a password. */
function redisOf(section: Section, prefix: string): Value | undefined {
  const { migration } = section;
  const url = section.text(`${prefix}url`);
  const host = section.text(`${prefix}host`);
  const port = section.number(`${prefix}port`);
  const username = section.text(`${prefix}username`);
  const password = section.text(`${prefix}password`);
  const db = section.number(`${prefix}db`);
  if (url !== undefined) return migration.secret(url, section.at(`${prefix}url`), 'REDIS_URL', 'required');
  if (host === undefined) return undefined;
  const secret = (text: string | undefined, name: string): Variable | undefined =>
    text === undefined || text === ''
      ? undefined
      : migration.secret(text, section.at(prefix + name), `REDIS_${name.toUpperCase()}`);
  return {
    host: migration.textOrVariable(host),
    port,
    username: secret(username, 'username'),
    password: secret(password, 'password'),
    db,
  };
}
