import { BUILT_IN_DIALECTS, defaultBaseURL } from '../provider/dialects';
import { OPENAI_COMPATIBLE } from '../provider/dialects';
import { didYouMean } from '../util/did-you-mean';
import { isObject } from '../util/is-object';
import { type Fault, faultAt } from './config-errors';
import { DEFAULTS } from './defaults';
import { secretsOf } from './secrets';

/** Model names with a meaning of their own in calls and fallback lists. */
const RESERVED_MODELS = ['auto', '*'];
/** A shorter key may be part of a name by chance. */
const MIN_SECRET_IN_NAME = 16;

/** Faults between options. Found in the raw configuration, so that they are reported together with those of single options. */
export function crossCheckFaults(raw: unknown): Fault[] {
  if (!isObject(raw)) return [];
  const endpoints = readPartialEndpoints(raw);
  return [
    ...duplicateNames(raw, endpoints),
    ...reservedNames(raw, endpoints),
    ...aliasCollisions(raw, endpoints),
    ...providerFaults(raw, endpoints),
    ...modelListFaults(raw, 'fallbacks', endpoints),
    ...modelListFaults(raw, 'contentPolicyFallbacks', endpoints),
    ...unusedGroups(raw, endpoints),
    ...orderFaults(raw),
    ...secretsInNames(raw, endpoints),
  ];
}

function duplicateNames(raw: unknown, endpoints: readonly PartialEndpoint[]): Fault[] {
  const first = new Map<string, number>();
  const faults: Fault[] = [];
  for (const { index, name } of endpoints) {
    if (name === undefined) continue;
    const earlier = first.get(name);
    if (earlier === undefined) first.set(name, index);
    else
      faults.push(
        faultAt(raw, ['endpoints', index, 'name'], `a name that endpoints[${earlier}] does not have`),
      );
  }
  return faults;
}

function reservedNames(raw: unknown, endpoints: readonly PartialEndpoint[]): Fault[] {
  const faults: Fault[] = [];
  for (const { index, model, aliases } of endpoints) {
    if (model !== undefined && RESERVED_MODELS.includes(model)) {
      faults.push(
        faultAt(raw, ['endpoints', index, 'model'], "a model's name ('auto' and '*' are reserved)"),
      );
    }
    aliases.forEach((alias, position) => {
      if (!RESERVED_MODELS.includes(alias)) return;
      faults.push(
        faultAt(raw, ['endpoints', index, 'aliases', position], "an alias ('auto' and '*' are reserved)"),
      );
    });
  }
  return faults;
}

function aliasCollisions(raw: unknown, endpoints: readonly PartialEndpoint[]): Fault[] {
  const owners = new Map<string, number>();
  for (const { index, model } of endpoints) {
    if (model !== undefined && !owners.has(model)) owners.set(model, index);
  }
  return endpoints.flatMap(({ index, model, aliases }) =>
    aliases.flatMap((alias, position) => {
      const owner = owners.get(alias);
      if (owner === undefined || alias === model) return [];
      const expected = `an alias that is not another model's own name (that of endpoints[${owner}])`;
      return [faultAt(raw, ['endpoints', index, 'aliases', position], expected)];
    }),
  );
}

function providerFaults(raw: Record<string, unknown>, endpoints: readonly PartialEndpoint[]): Fault[] {
  const own = isObject(raw.dialects) ? Object.keys(raw.dialects) : [];
  const known = [...BUILT_IN_DIALECTS.keys(), ...own];
  return endpoints.flatMap((endpoint) => {
    const at = ['endpoints', endpoint.index] as const;
    const provider = endpoint.provider ?? DEFAULTS.endpoint.provider;
    if (!known.includes(provider)) {
      const near = didYouMean(provider, known);
      const hint = near === undefined ? `one of ${known.join(', ')}` : `did you mean '${near}'?`;
      return [faultAt(raw, [...at, 'provider'], `a provider that has a dialect (${hint})`)];
    }
    if (endpoint.baseURL === undefined && defaultBaseURL(provider) === undefined) {
      return [
        faultAt(raw, [...at, 'baseURL'], `a URL, since the provider '${provider}' has none of its own`),
      ];
    }
    if (
      endpoint.baseURL === undefined &&
      endpoint.isApiKeyUndefined &&
      OPENAI_COMPATIBLE[provider]?.needsKey
    ) {
      return [faultAt(raw, [...at, 'apiKey'], 'a key (is the environment variable set?)')];
    }
    return [];
  });
}

/** A list that names a model without an endpoint would be a fallback that silently never happens. */
function modelListFaults(
  raw: Record<string, unknown>,
  option: 'fallbacks' | 'contentPolicyFallbacks',
  endpoints: readonly PartialEndpoint[],
): Fault[] {
  const lists = raw[option];
  if (!isObject(lists)) return [];
  const served = [
    ...new Set(endpoints.flatMap(({ model, aliases }) => (model ? [model, ...aliases] : aliases))),
  ];
  const faults: Fault[] = [];
  for (const [model, list] of Object.entries(lists)) {
    if (model !== '*' && !served.includes(model)) {
      const expected = `the name of a model or alias that an endpoint has, or '*'${didYouMeanHint(model, served)}`;
      faults.push({ path: [option, model], expected, got: 'a name that no endpoint has' });
    }
    if (!Array.isArray(list)) continue;
    list.forEach((target: unknown, position) => {
      if (typeof target !== 'string' || target === '') return;
      const path = [option, model, position];
      if (target === model)
        faults.push(faultAt(raw, path, 'a model other than the one it is a fallback for'));
      else if (!served.includes(target)) {
        faults.push(
          faultAt(raw, path, `a model or alias that an endpoint has${didYouMeanHint(target, served)}`),
        );
      }
    });
  }
  return faults;
}

function didYouMeanHint(name: string, known: readonly string[]): string {
  const near = didYouMean(name, known);
  return near === undefined ? '' : ` (did you mean '${near}'?)`;
}

function unusedGroups(raw: Record<string, unknown>, endpoints: readonly PartialEndpoint[]): Fault[] {
  if (!isObject(raw.quotaGroups)) return [];
  const used = endpoints.flatMap(({ quotaGroup }) => quotaGroup ?? []);
  return Object.keys(raw.quotaGroups)
    .filter((group) => !used.includes(group))
    .map((group) => ({
      path: ['quotaGroups', group],
      expected: `the quotaGroup of at least one endpoint${didYouMeanHint(group, used)}`,
      got: 'a group that no endpoint uses',
    }));
}

/** Names are written into logs, reports and errors. */
function secretsInNames(raw: unknown, endpoints: readonly PartialEndpoint[]): Fault[] {
  const secrets = secretsOf(raw).filter(({ length }) => length >= MIN_SECRET_IN_NAME);
  return endpoints.flatMap(({ index, name }) =>
    name !== undefined && secrets.some((secret) => name.includes(secret))
      ? [
          {
            path: ['endpoints', index, 'name'],
            expected: 'a name without a key in it',
            got: 'a name that holds one',
          },
        ]
      : [],
  );
}

/** Pairs of options of which the second must not be below the first, defaults included. */
function orderFaults(raw: Record<string, unknown>): Fault[] {
  return [
    ...orderFault(raw, 'retry', 'baseDelayMs', 'maxDelayMs', DEFAULTS.retry),
    ...orderFault(raw, 'breaker', 'resetTimeoutMs', 'maxResetTimeoutMs', DEFAULTS.breaker),
  ];
}

function orderFault<K extends string>(
  raw: Record<string, unknown>,
  option: string,
  low: K,
  high: K,
  defaults: Readonly<Record<K, number>>,
): Fault[] {
  const given = raw[option];
  if (!isObject(given)) return [];
  const least = given[low] ?? defaults[low];
  const most = given[high] ?? defaults[high];
  if (typeof least !== 'number' || typeof most !== 'number' || !(least > most)) return [];
  const path = given[high] === undefined ? [option, low] : [option, high];
  return [
    given[high] === undefined
      ? faultAt(raw, path, `at most ${high} (${most})`)
      : faultAt(raw, path, `at least ${low} (${least})`),
  ];
}

/** What can be read of an endpoint whose configuration may be invalid, so that all faults are reported at once. */
interface PartialEndpoint {
  readonly index: number;
  readonly name: string | undefined;
  readonly model: string | undefined;
  readonly provider: string | undefined;
  readonly baseURL: unknown;
  readonly quotaGroup: string | undefined;
  readonly aliases: readonly string[];
  /** The option is present with the value undefined: an environment variable that is not set. */
  readonly isApiKeyUndefined: boolean;
}

function readPartialEndpoints(raw: unknown): PartialEndpoint[] {
  const endpoints = isObject(raw) && Array.isArray(raw.endpoints) ? (raw.endpoints as unknown[]) : [];
  return endpoints.map((endpoint, index) => readPartialEndpoint(isObject(endpoint) ? endpoint : {}, index));
}

function readPartialEndpoint(endpoint: Record<string, unknown>, index: number): PartialEndpoint {
  return {
    index,
    name: nonEmptyString(endpoint.name),
    model: nonEmptyString(endpoint.model),
    provider: nonEmptyString(endpoint.provider),
    baseURL: endpoint.baseURL,
    quotaGroup: nonEmptyString(endpoint.quotaGroup),
    aliases: Array.isArray(endpoint.aliases)
      ? endpoint.aliases.filter((alias) => typeof alias === 'string')
      : [],
    isApiKeyUndefined: Object.hasOwn(endpoint, 'apiKey') && endpoint.apiKey === undefined,
  };
}

function nonEmptyString(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
