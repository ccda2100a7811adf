import { profileOf } from '../../../models/catalogue';
import type { Migration } from '../migration';
import { apiKeyOf, baseUrlOf, headersOf, NO_DIALECT, providerHere } from '../providers';
import type { Section } from '../section';
import type { DraftEndpoint, Value } from '../value';

/** The endpoints of each `model_name`, the name by which calls request them. */
export type Groups = Map<string, GroupMember[]>;

export interface GroupMember {
  readonly endpoint: DraftEndpoint;
  /** The endpoint's `model_info.id`. */
  readonly id: string | undefined;
  readonly order: number | undefined;
}

const SERVED_MODES = ['chat', 'completion', 'embedding', 'responses'];
const MODEL_NAMES: readonly (readonly [pattern: RegExp, provider: string])[] = [
  [/^(?:gpt-|chatgpt-|o[134](?:-|$)|text-embedding-)/, 'openai'],
  [/^claude-/, 'anthropic'],
];
const DEFAULTS_OF_CALL = 'defaults of a call: set it in the body, or in hooks.before (docs/hooks.md)';
const PARAMETERS: Readonly<Record<string, string>> = {
  temperature: DEFAULTS_OF_CALL,
  max_tokens: DEFAULTS_OF_CALL,
  top_p: DEFAULTS_OF_CALL,
  seed: DEFAULTS_OF_CALL,
  stream: DEFAULTS_OF_CALL,
  drop_params: 'what a provider can not express is dropped or refused by field (docs/providers.md)',
  num_retries: 'retries are limited per call: retry.maxAttempts',
  max_retries: 'retries are limited per call: retry.maxAttempts',
  cooldown_time: 'the breaker and cooldowns are set for all endpoints: breaker',
  mock_response: 'use express-ai-balancer/simulator in tests',
};

/** Reads `model_list`. */
export function readModelList(root: Section, migration: Migration): Groups {
  const groups: Groups = new Map();
  const entries = root.sections('model_list');
  const names = entries.map((entry) => entry.text('model_name'));
  entries.forEach((entry, index) => {
    const group = names[index];
    if (group === undefined) throw migration.fault(entry.at('model_name'), 'a name', 'nothing');
    const params = entry.section('litellm_params');
    if (!params) throw migration.fault(entry.at('litellm_params'), 'an object', 'nothing');
    for (const [asked, model] of expandWildcard(group, params, migration)) {
      const isAlone = names.filter((name) => name === group).length === 1;
      const member = readEntry(entry, params, model, asked, isAlone, migration);
      if (member) groups.set(asked, [...(groups.get(asked) ?? []), member]);
    }
    entry.leaveOutRest();
  });
  return groups;
}

/** Returns pairs of the name that calls use and its model. A pattern gives one pair for each matching `--model`. */
function expandWildcard(group: string, params: Section, migration: Migration): (readonly [string, string])[] {
  const model = params.text('model');
  if (model === undefined) throw migration.fault(params.at('model'), "'provider/model'", 'nothing');
  if (!group.includes('*') && !model.includes('*')) return [[group, model]];
  const pattern = new RegExp(`^${group.split('*').map(escape).join('(.*)')}$`);
  const matches = migration.models.flatMap((asked) => {
    const rest = pattern.exec(asked)?.[1];
    return rest === undefined
      ? []
      : [[asked, model.includes('*') ? model.replace('*', rest) : model] as const];
  });
  if (matches.length === 0)
    migration.endpointLeftOut(
      params.at('model'),
      `'${group}' matches any model, and an endpoint has one: add --model NAME for each that calls ask for`,
    );
  return matches;
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}

function readEntry(
  entry: Section,
  params: Section,
  fullModel: string,
  group: string,
  isAlone: boolean,
  migration: Migration,
): GroupMember | undefined {
  const info = entry.section('model_info');
  const mode = info?.text('mode');
  const [provider, model] = providerAndModel(params, fullModel);
  const address = ['api_base', 'base_url'].find((name) => params.has(name));
  const here = providerHere(provider, address !== undefined);
  const unserved =
    mode !== undefined && !SERVED_MODES.includes(mode) ? `mode '${mode}' is not served here` : undefined;
  if (unserved !== undefined || !here) {
    migration.endpointLeftOut(entry.path, unserved ?? `'${fullModel}': ${NO_DIALECT}`);
    return undefined;
  }
  const isAzure = here.provider === 'azure';
  const baseModel = info?.text('base_model')?.replace(/^azure\//, '');
  const own = isAzure ? azureModel(baseModel, model, group) : model;
  const id = info?.text('id');
  const settings: Record<string, Value | undefined> = {
    provider: here.provider,
    baseURL: baseUrlOf(params, address ?? 'api_base', here, (name) =>
      ['ollama', 'anthropic', 'gemini'].includes(name),
    ),
    deployment: isAzure && own !== model ? model : undefined,
    apiVersion: textOrVariable(params, 'api_version', migration),
    apiKey: apiKeyOf(params, here),
    weight: params.number('weight'),
    ...limitsOf(params, entry),
    ...budgetOf(params),
    price: priceOf(params) ?? (info && priceOf(info)),
    contextWindow: info?.number('max_input_tokens'),
    maxOutputTokens: info?.number('max_output_tokens') ?? info?.number('max_tokens'),
    capabilities: mode === 'embedding' && !profileOf(own).isKnown ? ['embeddings'] : undefined,
    tags: params.has('tags') ? params.texts('tags') : undefined,
    headers: allHeaders(params, migration),
    timeouts: timeoutsOf(params),
  };
  const order = params.plainNumber('order');
  params.leaveOutRest(PARAMETERS);
  info?.leaveOutRest({}, 'is not needed: docs/models.md has what is known of a model');
  const endpoint: DraftEndpoint = {
    path: entry.path,
    name: migration.endpointName(id ?? group, id !== undefined || isAlone),
    model: own,
    aliases: new Set(),
    tier: 0,
    settings,
  };
  migration.endpoints.push(endpoint);
  return { endpoint, id, order };
}

/** Splits `azure/my-gpt4` into provider and model. Without a provider, LiteLLM derives it from the model's name. */
function providerAndModel(params: Section, model: string): readonly [provider: string, model: string] {
  const custom = params.text('custom_llm_provider');
  if (custom !== undefined)
    return [custom, model.startsWith(`${custom}/`) ? model.slice(custom.length + 1) : model];
  const slash = model.indexOf('/');
  const first = slash < 0 ? '' : model.slice(0, slash);
  if (first !== '') return [first, model.slice(slash + 1).replace(/^(?:chat|responses)\//, '')];
  const [, known] = MODEL_NAMES.find(([pattern]) => pattern.test(model)) ?? [];
  return [known ?? (params.has('api_base') ? 'openai' : 'unknown'), model];
}

/**
 * Returns the model of an Azure endpoint. The name of a deployment is arbitrary, so a name in the catalogue is
 * preferred.
 */
function azureModel(base: string | undefined, deployment: string, group: string): string {
  if (base !== undefined) return base;
  return [deployment, group].find((name) => profileOf(name).isKnown) ?? deployment;
}

function textOrVariable(params: Section, name: string, migration: Migration): Value | undefined {
  const text = params.text(name);
  return text === undefined ? undefined : migration.textOrVariable(text);
}

/** Reads limits, which may be in litellm_params or next to it. */
function limitsOf(params: Section, entry: Section): Record<string, Value | undefined> {
  const input = params.number('itpm');
  const output = params.number('otpm');
  const both = input !== undefined && output !== undefined ? { input, output } : undefined;
  const tpm = [params.number('tpm'), entry.number('tpm')].find((value) => value !== undefined);
  if (!both && (input ?? output) !== undefined)
    params.migration.leftOut(
      params.at(input === undefined ? 'otpm' : 'itpm'),
      'tpm limits input and output tokens only together: set tpm: { input, output }',
    );
  return {
    rpm: [params.number('rpm'), entry.number('rpm')].find((value) => value !== undefined),
    tpm: both ?? tpm,
    maxConcurrent: params.number('max_parallel_requests'),
  };
}

const BUDGETS: Readonly<Record<string, string>> = {
  '1h': 'usdPerHour',
  '1d': 'usdPerDay',
  '24h': 'usdPerDay',
};

/** Reads `max_budget` with its `budget_duration`. */
export function budgetOf(section: Section): Record<string, Value | undefined> {
  const usd = section.number('max_budget');
  const duration = section.text('budget_duration');
  if (usd === undefined) return {};
  const isMonth = duration === '30d' || duration === '1mo';
  const option = isMonth ? 'usdPerMonth' : duration === undefined ? undefined : BUDGETS[duration];
  if (option !== undefined) return { [option]: usd };
  section.migration.leftOut(section.at('max_budget'), 'budgets are per hour, day or month (docs/budgets.md)');
  return {};
}

/** Converts prices to US dollars per million tokens. */
function priceOf(section: Section): Value | undefined {
  const [input, output, cached] = [
    'input_cost_per_token',
    'output_cost_per_token',
    'cache_read_input_token_cost',
  ].map((name) => section.plainNumber(name));
  if (input === undefined && output === undefined) return undefined;
  return {
    input: perMillion(input ?? 0),
    output: perMillion(output ?? 0),
    cachedInput: cached === undefined ? undefined : perMillion(cached),
  };
}

function perMillion(usdPerToken: number): number {
  return Number((usdPerToken * 1e6).toPrecision(12));
}

function allHeaders(params: Section, migration: Migration): Value | undefined {
  const organization = textOrVariable(params, 'organization', migration);
  const given = ['headers', 'extra_headers'].map(
    (field) => headersOf(params, field, migration) as object | undefined,
  );
  const headers = {
    ...given[0],
    ...given[1],
    ...(organization === undefined ? {} : { 'OpenAI-Organization': organization }),
  } as Record<string, Value>;
  return Object.keys(headers).length > 0 ? headers : undefined;
}

function timeoutsOf(params: Section): Value | undefined {
  const total = params.plainNumber('timeout');
  const stream = params.plainNumber('stream_timeout');
  if (total === undefined && stream === undefined) return undefined;
  return {
    totalMs: total === undefined ? undefined : Math.round(total * 1000),
    firstTokenMs: stream === undefined ? undefined : Math.round(stream * 1000),
  };
}
