import { AiBalancerError } from '../../errors';
import { didYouMean } from '../../util/did-you-mean';
import type { EndpointConfig } from '../endpoint-config';
import { OPENAI_COMPATIBLE } from './providers';

/**
 * Options of a preset. Endpoint options apply to every endpoint that the preset creates; limits apply to each model
 * separately, unless `quotaGroup` is set.
 */
export interface PresetOptions
  extends Pick<
    EndpointConfig,
    | 'baseURL'
    | 'weight'
    | 'tier'
    | 'rpm'
    | 'tpm'
    | 'rpd'
    | 'tpd'
    | 'maxConcurrent'
    | 'burstSeconds'
    | 'quotaGroup'
    | 'tokensCharged'
    | 'tags'
    | 'headers'
    | 'timeouts'
  > {
  /** The API key, or a function that returns it and is called before each attempt. Required, except for `ollama`. */
  apiKey: NonNullable<EndpointConfig['apiKey']> | undefined;
  /** Model names as the provider writes them; one endpoint is created for each. Default: the models of the preset. */
  models?: readonly string[];
  /** Endpoints are named `<namePrefix>-<model>`, so each key needs its own prefix. Default: the name of the provider. */
  namePrefix?: string;
}

const ENDPOINT_OPTIONS = [
  'baseURL',
  'weight',
  'tier',
  'rpm',
  'tpm',
  'rpd',
  'tpd',
  'maxConcurrent',
  'burstSeconds',
  'quotaGroup',
  'tokensCharged',
  'tags',
  'headers',
  'timeouts',
] as const satisfies readonly (keyof PresetOptions)[];

const KNOWN_OPTIONS: readonly string[] = ['apiKey', 'models', 'namePrefix', ...ENDPOINT_OPTIONS];

/** The defaults of a preset. */
export interface Preset {
  readonly provider: string;
  /** Undefined when the caller must set `models`. */
  readonly models?: readonly string[];
  /** Endpoint options that the caller can override. */
  readonly defaults?: Partial<EndpointConfig>;
}

/**
 * Creates one endpoint per model, all with the same key.
 *
 * @throws AiBalancerError ERR_AI_CONFIG when the key or the models are missing or an option is unknown. Values of endpoint
 *   options are validated with the whole configuration.
 */
export function createPresetEndpoints(
  preset: Preset,
  options: Partial<PresetOptions> | undefined,
): EndpointConfig[] {
  const given = options ?? {};
  const models = given.models ?? preset.models;
  const faults = [
    ...optionFaults(given),
    ...keyFaults(preset.provider, given.apiKey),
    ...modelFaults(models),
  ];
  if (faults.length > 0 || !models) {
    const lines = faults.map((fault) => `  ${preset.provider}().${fault}`);
    throw new AiBalancerError('ERR_AI_CONFIG', `invalid preset options:\n${lines.join('\n')}`);
  }
  const endpointOptions = pickEndpointOptions(given);
  const prefix = given.namePrefix ?? preset.provider;
  return models.map((model) => ({
    name: `${prefix}-${model}`,
    model,
    provider: preset.provider,
    ...preset.defaults,
    ...endpointOptions,
    ...(given.apiKey === undefined ? {} : { apiKey: given.apiKey }),
  }));
}

function pickEndpointOptions(given: Partial<PresetOptions>): Partial<EndpointConfig> {
  const entries = ENDPOINT_OPTIONS.filter((key) => given[key] !== undefined).map((key) => [key, given[key]]);
  return Object.fromEntries(entries) as Partial<EndpointConfig>;
}

function optionFaults(given: object): string[] {
  return Object.keys(given)
    .filter((name) => !KNOWN_OPTIONS.includes(name))
    .map((name) => {
      const near = didYouMean(name, KNOWN_OPTIONS);
      const hint =
        near === undefined
          ? `one of ${KNOWN_OPTIONS.join(', ')}`
          : `a known option (did you mean '${near}'?)`;
      return `${name.slice(0, 64)}: expected ${hint}, got an unknown option`;
    });
}

function keyFaults(provider: string, apiKey: unknown): string[] {
  if (apiKey === undefined || apiKey === null) {
    if (OPENAI_COMPATIBLE[provider]?.needsKey !== true) return [];
    return [
      `apiKey: expected a key or a function that returns one, got ${apiKey}: is the environment variable set?`,
    ];
  }
  if (typeof apiKey === 'function' || (typeof apiKey === 'string' && apiKey.trim() !== '')) return [];
  const got =
    typeof apiKey === 'string' ? 'an empty string: is the environment variable set?' : `a ${typeof apiKey}`;
  return [`apiKey: expected a key or a function that returns one, got ${got}`];
}

function modelFaults(models: unknown): string[] {
  if (
    Array.isArray(models) &&
    models.length > 0 &&
    models.every((model) => typeof model === 'string' && model !== '')
  ) {
    return [];
  }
  return [
    `models: expected an array of at least one model name, got ${models === undefined ? 'undefined' : 'something else'}`,
  ];
}
