import { AiBalancerError } from '../../errors';
import { didYouMean } from '../../util/did-you-mean';
import type { EndpointConfig } from '../endpoint-config';
import { OPENAI_COMPATIBLE } from './providers';

/** What holds for every endpoint that a preset makes. Limits are for each model by itself. */
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
  /** The key itself, or a function that is asked before each attempt. */
  apiKey: NonNullable<EndpointConfig['apiKey']> | undefined;
  /** The provider's names of the models, one endpoint each. */
  models?: readonly string[];
  /** Endpoints are named `<namePrefix>-<model>`; give each key its own. Default: the provider's name. */
  namePrefix?: string;
}

const SHARED_OPTIONS = [
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

const KNOWN_OPTIONS: readonly string[] = ['apiKey', 'models', 'namePrefix', ...SHARED_OPTIONS];

/** What a preset knows of its provider. */
export interface Preset {
  readonly provider: string;
  /** Absent where the caller must say which. */
  readonly models?: readonly string[];
  /** Endpoint options under the caller's. */
  readonly defaults?: Partial<EndpointConfig>;
}

/**
 * One endpoint for each model behind one key.
 *
 * @throws AiBalancerError ERR_AI_CONFIG where the key or the models are missing or an option is unknown. Figures are
 * checked when the balancer is made.
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
    throw new AiBalancerError('ERR_AI_CONFIG', `The preset has wrong options:\n${lines.join('\n')}`);
  }
  const shared = pickSharedOptions(given);
  const prefix = given.namePrefix ?? preset.provider;
  return models.map((model) => ({
    name: `${prefix}-${model}`,
    model,
    provider: preset.provider,
    ...preset.defaults,
    ...shared,
    ...(given.apiKey === undefined ? {} : { apiKey: given.apiKey }),
  }));
}

function pickSharedOptions(given: Partial<PresetOptions>): Partial<EndpointConfig> {
  const named = SHARED_OPTIONS.filter((key) => given[key] !== undefined).map((key) => [key, given[key]]);
  return Object.fromEntries(named) as Partial<EndpointConfig>;
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
