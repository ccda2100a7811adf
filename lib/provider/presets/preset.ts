import { AiBalancerError } from '../../errors';
import { omitUndefined } from '../../util/defaults';
import { knownOption } from '../../util/did-you-mean';
import { PROVIDERS } from '../dialects';
import type { EndpointConfig } from '../endpoint-config';

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
] as const satisfies readonly (keyof EndpointConfig)[];
/** Names of the options that all presets have. */
export const COMMON_OPTIONS: readonly string[] = ['apiKey', 'namePrefix', ...ENDPOINT_OPTIONS];
const KNOWN_OPTIONS: readonly string[] = ['models', ...COMMON_OPTIONS];

/**
 * Options of a preset. Endpoint options apply to every endpoint that the preset creates; limits apply to each model
 * separately, unless `quotaGroup` is set.
 */
export interface PresetOptions extends Pick<EndpointConfig, (typeof ENDPOINT_OPTIONS)[number]> {
  /** The API key, or a function that returns it and is called before each attempt. Required, except for `ollama`. */
  apiKey: NonNullable<EndpointConfig['apiKey']> | undefined;
  /** Model names as the provider writes them; one endpoint is created for each. Default: the models of the preset. */
  models?: readonly string[] | undefined;
  /** Endpoints are named `<namePrefix>-<model>`, so each key needs its own prefix. Default: the name of the provider. */
  namePrefix?: string | undefined;
}

/** The defaults of a preset. */
export interface Preset {
  readonly provider: string;
  /** Name of the preset's function, for error messages. Default: `provider`. */
  readonly name?: string;
  /** Names of the options, if they differ from those of `PresetOptions`. */
  readonly options?: readonly string[];
  /** Faults of options that only this preset has. */
  readonly ownFaults?: readonly string[];
  /** Default models; undefined if the caller must set `models`. */
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
  const { apiKey, models = preset.models, namePrefix = preset.provider, ...given } = options ?? {};
  const faults = [
    ...optionFaults(options ?? {}, preset.options ?? KNOWN_OPTIONS),
    ...(preset.ownFaults ?? []),
    ...keyFaults(preset.provider, apiKey),
    ...modelFaults(models),
  ];
  if (faults.length > 0 || !models) {
    const lines = faults.map((fault) => `  ${preset.name ?? preset.provider}().${fault}`);
    throw new AiBalancerError('ERR_AI_CONFIG', `invalid preset options:\n${lines.join('\n')}`);
  }
  return models.map((model) => ({
    name: `${namePrefix}-${model}`,
    model,
    provider: preset.provider,
    ...preset.defaults,
    ...omitUndefined({ ...given, apiKey }),
  }));
}

function optionFaults(given: object, known: readonly string[]): string[] {
  return Object.keys(given)
    .filter((name) => !known.includes(name))
    .map((name) => `${name.slice(0, 64)}: expected ${knownOption(name, known)}, got an unknown option`);
}

function keyFaults(provider: string, apiKey: unknown): string[] {
  if (typeof apiKey === 'function' || (typeof apiKey === 'string' && apiKey.trim() !== '')) return [];
  const isMissing = apiKey === undefined || apiKey === null;
  if (isMissing && PROVIDERS[provider]?.needsKey !== true) return [];
  const got = isMissing
    ? String(apiKey)
    : typeof apiKey === 'string'
      ? 'an empty string'
      : `${typeof apiKey === 'object' ? 'an' : 'a'} ${typeof apiKey}`;
  const hint = isMissing || typeof apiKey === 'string' ? ': is the environment variable set?' : '';
  return [`apiKey: expected a key or a function that returns one, got ${got}${hint}`];
}

function modelFaults(models: unknown): string[] {
  const isValid = (model: unknown): boolean => typeof model === 'string' && model !== '';
  if (Array.isArray(models) && models.length > 0 && models.every(isValid)) return [];
  const got = models === undefined ? 'undefined' : 'something else';
  return [`models: expected an array of at least one model name, got ${got}`];
}
