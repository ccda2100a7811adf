import { z } from 'zod';
import { BUILT_IN_DIALECTS, defaultBaseURL, PROVIDERS } from '../provider/dialects';
import { didYouMean } from '../util/did-you-mean';
import { isObject } from '../util/is-object';
import { type Fault, faultAt } from './config-errors';
import { DEFAULTS } from './defaults';
import { secretsOf } from './secrets';

/** Names that have a special meaning in calls or fallback lists, so that no model can use them. */
const RESERVED_MODELS: readonly unknown[] = ['auto', '*'];
/** Minimum length of a secret that is searched for in names. A shorter one may be part of a name by chance. */
const MIN_SECRET_IN_NAME = 16;

const text = z.string().min(1).optional().catch(undefined);
/** Reads an endpoint whose other options may be invalid, so that all faults are reported together. */
const PARTIAL_ENDPOINT = z.object({
  name: text,
  model: text,
  provider: text,
  baseURL: z.unknown().optional(),
  quotaGroup: text,
  aliases: z.array(z.string().catch('')).catch([]),
});

interface PartialEndpoint extends z.output<typeof PARTIAL_ENDPOINT> {
  readonly path: readonly ['endpoints', number];
  /** Whether `apiKey` is present with the value undefined, as with an environment variable that is not set. */
  readonly isApiKeyUndefined: boolean;
}

/** Adds a fault. `got` defaults to a description of the value at the path. */
type Report = (path: readonly PropertyKey[], expected: string, got?: string) => void;

/**
 * Finds faults between options. Reads the raw configuration, so that these faults are reported together with those of
 * single options.
 */
export function crossCheckFaults(raw: unknown): Fault[] {
  if (!isObject(raw)) return [];
  const faults: Fault[] = [];
  const report: Report = (path, expected, got) => {
    faults.push(got === undefined ? faultAt(raw, path, expected) : { path, expected, got });
  };
  const endpoints = Array.isArray(raw.endpoints) ? raw.endpoints.map(readEndpoint) : [];
  checkNames(endpoints, report);
  checkReservedModels(endpoints, report);
  checkAliases(endpoints, report);
  checkProviders(raw.dialects, endpoints, report);
  for (const option of ['fallbacks', 'contentPolicyFallbacks'])
    checkModelLists(option, raw[option], endpoints, report);
  checkQuotaGroups(raw.quotaGroups, endpoints, report);
  checkOrder(raw, 'retry', 'baseDelayMs', 'maxDelayMs', DEFAULTS.retry, report);
  checkOrder(raw, 'breaker', 'resetTimeoutMs', 'maxResetTimeoutMs', DEFAULTS.breaker, report);
  if (isObject(raw.cache) && raw.cache.redis === true && !isObject(raw.cluster))
    report(['cache', 'redis'], 'cluster to be configured: the answers are kept in its Redis');
  for (const option of ['canary', 'shadow'] as const) checkTrial(option, raw[option], endpoints, report);
  checkSecrets(secretsOf(raw), endpoints, report);
  return faults;
}

function readEndpoint(value: unknown, index: number): PartialEndpoint {
  const endpoint = isObject(value) ? value : {};
  const isApiKeyUndefined = Object.hasOwn(endpoint, 'apiKey') && endpoint.apiKey === undefined;
  return { ...PARTIAL_ENDPOINT.parse(endpoint), path: ['endpoints', index], isApiKeyUndefined };
}

function checkNames(endpoints: readonly PartialEndpoint[], report: Report): void {
  const first = new Map<string, number>();
  endpoints.forEach(({ name, path, provider = DEFAULTS.endpoint.provider, model }, index) => {
    if (name === undefined) return;
    const earlier = first.get(name);
    if (earlier === undefined) {
      first.set(name, index);
      return;
    }
    const hint = name === `${provider}-${model}` ? '; give each key of a preset its own namePrefix' : '';
    report([...path, 'name'], `a name that endpoints[${earlier}] does not have${hint}`);
  });
}

function checkReservedModels(endpoints: readonly PartialEndpoint[], report: Report): void {
  const hint = "('auto' and '*' are reserved)";
  for (const { model, aliases, path } of endpoints) {
    if (RESERVED_MODELS.includes(model)) report([...path, 'model'], `a model's name ${hint}`);
    aliases.forEach((alias, position) => {
      if (RESERVED_MODELS.includes(alias)) report([...path, 'aliases', position], `an alias ${hint}`);
    });
  }
}

function checkAliases(endpoints: readonly PartialEndpoint[], report: Report): void {
  const owners = new Map<string, number>();
  endpoints.forEach(({ model }, index) => {
    if (model !== undefined && !owners.has(model)) owners.set(model, index);
  });
  for (const { model, aliases, path } of endpoints) {
    aliases.forEach((alias, position) => {
      const owner = owners.get(alias);
      if (owner === undefined || alias === model) return;
      const expected = `an alias that is not another model's own name (that of endpoints[${owner}])`;
      report([...path, 'aliases', position], expected);
    });
  }
}

function checkProviders(dialects: unknown, endpoints: readonly PartialEndpoint[], report: Report): void {
  const known = [...BUILT_IN_DIALECTS.keys(), ...(isObject(dialects) ? Object.keys(dialects) : [])];
  for (const { path, provider = DEFAULTS.endpoint.provider, baseURL, isApiKeyUndefined } of endpoints) {
    if (!known.includes(provider)) {
      const near = didYouMean(provider, known);
      const hint = near === undefined ? `one of ${known.join(', ')}` : `did you mean '${near}'?`;
      report([...path, 'provider'], `a provider that has a dialect (${hint})`);
      continue;
    }
    const hasOwnURL = defaultBaseURL(provider) !== undefined;
    if (baseURL === undefined && !hasOwnURL)
      report([...path, 'baseURL'], `a URL, since the provider '${provider}' has none of its own`);
    // An undefined key is a fault only at the provider's own server; a server at a configured base URL may need none.
    else if ((baseURL === undefined || !hasOwnURL) && isApiKeyUndefined && PROVIDERS[provider]?.needsKey)
      report([...path, 'apiKey'], 'a key (is the environment variable set?)');
  }
}

/** Reports fallback lists that name a model without an endpoint: such a fallback would silently never happen. */
function checkModelLists(
  option: string,
  lists: unknown,
  endpoints: readonly PartialEndpoint[],
  report: Report,
): void {
  if (!isObject(lists)) return;
  const names = endpoints.flatMap(({ model, aliases }) => (model ? [model, ...aliases] : aliases));
  const served = [...new Set(names)];
  for (const [model, list] of Object.entries(lists)) {
    if (model !== '*' && !served.includes(model)) {
      const expected = `the name of a model or alias that an endpoint has, or '*'${hintAt(model, served)}`;
      report([option, model], expected, 'a name that no endpoint has');
    }
    if (!Array.isArray(list)) continue;
    list.forEach((target: unknown, position) => {
      if (typeof target !== 'string' || target === '') return;
      const path = [option, model, position];
      if (target === model) report(path, 'a model other than the one it is a fallback for');
      else if (!served.includes(target))
        report(path, `a model or alias that an endpoint has${hintAt(target, served)}`);
    });
  }
}

function hintAt(name: string, known: readonly string[]): string {
  const near = didYouMean(name, known);
  return near === undefined ? '' : ` (did you mean '${near}'?)`;
}

function checkQuotaGroups(groups: unknown, endpoints: readonly PartialEndpoint[], report: Report): void {
  const used = endpoints.flatMap(({ quotaGroup }) => quotaGroup ?? []);
  for (const group of isObject(groups) ? Object.keys(groups) : []) {
    if (used.includes(group)) continue;
    const expected = `the quotaGroup of at least one endpoint${hintAt(group, used)}`;
    report(['quotaGroups', group], expected, 'a group that no endpoint uses');
  }
}

/** Checks that the model or endpoint of a canary or shadow exists, and the model or alias that it replaces. */
function checkTrial(
  option: 'canary' | 'shadow',
  given: unknown,
  endpoints: readonly PartialEndpoint[],
  report: Report,
): void {
  if (!isObject(given)) return;
  const { model, endpoint, replaces } = given;
  if ((model === undefined) === (endpoint === undefined)) report([option], 'either a model or an endpoint');
  const models = endpoints.flatMap((each) => each.model ?? []);
  const served = [...models, ...endpoints.flatMap(({ aliases }) => aliases)];
  const names = endpoints.flatMap(({ name }) => name ?? []);
  if (typeof model === 'string' && !models.includes(model))
    report([option, 'model'], `a model that an endpoint has${hintAt(model, models)}`);
  if (typeof endpoint === 'string' && !names.includes(endpoint))
    report([option, 'endpoint'], `the name of an endpoint${hintAt(endpoint, names)}`);
  if (typeof replaces === 'string' && (!served.includes(replaces) || replaces === model))
    report([option, 'replaces'], 'another model or alias that an endpoint has');
}

/** Reports endpoint names that contain a secret, since names are written to logs, reports and errors. */
function checkSecrets(
  secrets: readonly string[],
  endpoints: readonly PartialEndpoint[],
  report: Report,
): void {
  const long = secrets.filter(({ length }) => length >= MIN_SECRET_IN_NAME);
  for (const { name, path } of endpoints) {
    if (long.some((secret) => name?.includes(secret)))
      report([...path, 'name'], 'a name without a key in it', 'a name that holds one');
  }
}

/** Checks that the option `high` is not below the option `low`, with defaults filled in. */
function checkOrder<K extends string>(
  raw: Record<string, unknown>,
  option: string,
  low: K,
  high: K,
  defaults: Readonly<Record<K, number>>,
  report: Report,
): void {
  const given = raw[option];
  if (!isObject(given)) return;
  const least = given[low] ?? defaults[low];
  const most = given[high] ?? defaults[high];
  if (typeof least !== 'number' || typeof most !== 'number' || !(least > most)) return;
  if (given[high] === undefined) report([option, low], `at most ${high} (${most})`);
  else report([option, high], `at least ${low} (${least})`);
}
