import { isObject } from '../../util/is-object';
import { writeAttempts } from './call-chains';
import type { Migration } from './migration';
import { apiKeyOf, baseUrlOf, headersOf, NO_DIALECT, type ProviderHere, providerHere } from './providers';
import { Section } from './section';
import type { Value } from './value';

const TENANTS = 'virtual keys, budgets and limits are those of tenants here (docs/guard.md, docs/budgets.md)';
const REASONS: Readonly<Record<string, string>> = {
  client: 'limits of the program: your app, or docs/serve.md',
  server: 'limits of the program: your app, or docs/serve.md',
  governance: TENANTS,
  auth_config: 'authenticate of aiGateway, or serve.tokens (docs/gateway.md, docs/serve.md)',
  config_store: 'there is no database: the configuration is a file',
  logs_store: 'events, metrics, traces and logs are in docs/observability.md',
  vector_store: 'only equal calls are cached (docs/cache.md)',
  plugins:
    'hooks change, refuse and check calls (docs/hooks.md); metrics and traces are in docs/observability.md',
  mcp: 'tools are run by your app',
  framework: 'prices are in docs/models.md, and in models and price of the configuration',
};
const NETWORK: Readonly<Record<string, string>> = {
  stream_idle_timeout_in_seconds: 'timeouts.stallMs',
  max_conns_per_host: 'connections are not limited: set maxConcurrent of an endpoint',
  insecure_skip_verify: 'certificates are always checked (docs/configuration.md)',
};

/** Returns the environment variable that a text of the form `env.NAME` refers to. */
export function bifrostVariable(text: string): string | undefined {
  return /^env\.(\S+)$/.exec(text.trim())?.[1];
}

/** Converts Bifrost's config.json. */
export function readBifrost(value: unknown, migration: Migration): void {
  const root = new Section(plainVariables(value), '', migration);
  const providers = root.section('providers');
  for (const name of providers?.names ?? []) {
    const provider = providers?.section(name);
    if (provider) readProvider(name, provider, migration);
  }
  const { endpoints, options } = migration;
  addPrefixedAliases(migration);
  options.strategy = endpoints.some(({ settings }) => settings.weight !== undefined) ? 'weighted' : undefined;
  options.fallbacks = {};
  writeAttempts(migration);
  migration.checkFirst(
    'providers',
    "fallbacks stand in the body of a request there: set fallbacks here (model to models), or the call's option; `fallbacks: {}` turns them off",
  );
  root.raw('$schema');
  root.leaveOutRest(REASONS);
}

function readProvider(name: string, section: Section, migration: Migration): void {
  const network = section.section('network_config');
  const here = providerHere(name, network?.has('base_url') === true);
  if (!here) {
    migration.endpointLeftOut(section.path, `'${name}': ${NO_DIALECT}`);
    return;
  }
  const shared = network
    ? networkOf(network, here, migration)
    : here.baseURL
      ? { baseURL: here.baseURL }
      : {};
  for (const key of section.sections('keys')) readKey(name, key, here, shared, migration);
  section.leaveOutRest({
    concurrency_and_buffer_size: 'set maxConcurrent of an endpoint, and queue (docs/queue.md)',
    proxy_config: 'one proxy for all: http.proxy (docs/configuration.md)',
  });
}

/** Reads the settings that all keys of a provider share. */
function networkOf(
  network: Section,
  here: ProviderHere,
  migration: Migration,
): Record<string, Value | undefined> {
  const seconds = network.plainNumber('default_request_timeout_in_seconds');
  const retries = network.plainNumber('max_retries');
  const backoff =
    network.plainNumber('retry_backoff_initial') ?? network.plainNumber('retry_backoff_initial_ms');
  const longest = network.plainNumber('retry_backoff_max') ?? network.plainNumber('retry_backoff_max_ms');
  if (retries !== undefined) {
    migration.addRetries(network.at('max_retries'), retries);
    migration.options.retry = { baseDelayMs: backoff, maxDelayMs: longest };
  }
  const settings = {
    baseURL: baseUrlOf(network, 'base_url', here, (provider) => provider !== 'azure'),
    headers: headersOf(network, 'extra_headers', migration),
    timeouts: seconds === undefined ? undefined : { totalMs: seconds * 1000 },
  };
  network.leaveOutRest(NETWORK);
  return settings;
}

function readKey(
  provider: string,
  key: Section,
  here: ProviderHere,
  shared: Readonly<Record<string, Value | undefined>>,
  migration: Migration,
): void {
  const azure = key.section('azure_key_config');
  const names: Record<string, string> = {};
  for (const map of [key.section('aliases'), azure?.section('aliases'), azure?.section('deployments')]) // terms-ok: Azure's word
    for (const name of map?.names ?? []) names[name] = map?.text(name) ?? name;
  const excluded = key.texts('blacklisted_models');
  const models = modelsOf(provider, key, names).filter((model) => !excluded.includes(model));
  const wanted = key.text('name') ?? `${provider}-key`;
  const apiKey = apiKeyOf(key, here, 'value');
  const weight = key.number('weight');
  const address = azure?.text('endpoint');
  const baseURL =
    azure && address !== undefined ? baseUrlOf(azure, 'endpoint', here, () => false) : shared.baseURL;
  const version = azure?.text('api_version');
  const isAzure = here.provider === 'azure';
  for (const model of models) {
    const actual = names[model] ?? model;
    migration.endpoints.push({
      path: key.path,
      name: migration.endpointName(models.length === 1 ? wanted : `${wanted}/${model}`, true),
      model: isAzure ? model : actual,
      aliases: new Set(isAzure || actual === model ? [] : [model]),
      tier: 0,
      settings: {
        ...shared,
        provider: here.provider,
        baseURL,
        deployment: isAzure && actual !== model ? actual : undefined, // terms-ok: Azure's word
        apiVersion: version === undefined ? undefined : migration.textOrVariable(version),
        apiKey,
        weight,
      },
    });
  }
  key.raw('id');
  key.leaveOutRest({}, 'is not needed here');
  azure?.leaveOutRest({}, 'give the endpoint an apiKey function that returns a Microsoft Entra token');
}

/**
 * Returns the models of a key. For a key that serves every model, they are those given with `--model provider/name`.
 */
function modelsOf(
  provider: string,
  key: Section,
  names: Readonly<Record<string, string>>,
): readonly string[] {
  const { migration } = key;
  const listed = key.texts('models').filter((model) => model !== '*');
  if (listed.length > 0) return listed;
  if (Object.keys(names).length > 0) return Object.keys(names);
  const asked = migration.models.flatMap((model) =>
    model.startsWith(`${provider}/`) ? [model.slice(provider.length + 1)] : [],
  );
  if (asked.length === 0)
    migration.endpointLeftOut(
      key.path,
      `it serves every model, and an endpoint has one: add --model ${provider}/NAME for each that calls ask for`,
    );
  return asked;
}

/** Adds aliases such as `openai/gpt-4o`, because calls to Bifrost name models like that. */
function addPrefixedAliases({ endpoints }: Migration): void {
  const models = new Set(endpoints.map(({ model }) => model));
  for (const endpoint of endpoints) {
    const { provider } = endpoint.settings;
    const prefix = typeof provider === 'string' ? provider : 'openai';
    const name = `${prefix}/${endpoint.model}`;
    if (!models.has(name) && endpoint.path.startsWith(`providers.${prefix}.`)) endpoint.aliases.add(name);
  }
}

/** Converts values that are written as an object with the name of a variable. */
function plainVariables(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainVariables);
  if (!isObject(value)) return value;
  const { env_var: variable, value: own } = value;
  if (typeof variable === 'string' && variable !== '')
    return variable.startsWith('env.') ? variable : `env.${variable}`;
  if (typeof own === 'string' && ('from_env' in value || 'env_var' in value)) return own;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plainVariables(each)]));
}
