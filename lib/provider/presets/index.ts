import type { Optional } from '../../util/optional';
import type { EndpointConfig } from '../endpoint-config';
import { COMMON_OPTIONS, createPresetEndpoints, type PresetOptions } from './preset';

export type { PresetOptions };

/**
 * HolySheep: GPT, Claude, DeepSeek and embedding models behind one key at https://api.holysheep.ai/v1. Default limits:
 * 500 requests and 150,000 tokens per minute for each model.
 *
 * @throws AiBalancerError ERR_AI_CONFIG when the key is missing or an option is unknown.
 * @example holysheep({ apiKey: process.env.HOLYSHEEP_API_KEY })
 */
export function holysheep(options: PresetOptions): EndpointConfig[] {
  const chat = ['gpt-4.1', 'gpt-4o', 'gpt-4o-mini', 'claude-sonnet-4-20250514', 'deepseek-chat'];
  const models = [...chat, 'text-embedding-3-small'];
  const defaults = { baseURL: 'https://api.holysheep.ai/v1', rpm: 500, tpm: 150_000 };
  return createPresetEndpoints({ provider: 'holysheep', models, defaults }, options);
}

/**
 * The OpenAI API. Limits depend on the usage tier of the account: set `rpm` and `tpm`. Without them, no call is held back
 * until the API answers 429. Default models: the GPT-4.1 and GPT-4o models and the text-embedding-3 models.
 *
 * @throws AiBalancerError ERR_AI_CONFIG when the key is missing or an option is unknown.
 * @example openai({ apiKey: process.env.OPENAI_API_KEY, rpm: 500, tpm: 200_000 })
 */
export function openai(options: PresetOptions): EndpointConfig[] {
  const chat = ['gpt-4.1', 'gpt-4.1-mini', 'gpt-4o', 'gpt-4o-mini'];
  const models = [...chat, 'text-embedding-3-small', 'text-embedding-3-large'];
  return createPresetEndpoints({ provider: 'openai', models }, options);
}

/**
 * The DeepSeek API. It publishes no fixed limits. Default models: `deepseek-chat`, `deepseek-reasoner`.
 *
 * @throws AiBalancerError ERR_AI_CONFIG when the key is missing or an option is unknown.
 * @example deepseek({ apiKey: process.env.DEEPSEEK_API_KEY })
 */
export function deepseek(options: PresetOptions): EndpointConfig[] {
  const models = ['deepseek-chat', 'deepseek-reasoner'];
  return createPresetEndpoints({ provider: 'deepseek', models }, options);
}

/**
 * The Groq API. Limits depend on the account and apply to each model: set `rpm`, `tpm` and `rpd`. Default model:
 * `llama-3.3-70b-versatile`.
 *
 * @throws AiBalancerError ERR_AI_CONFIG when the key is missing or an option is unknown.
 * @example groq({ apiKey: process.env.GROQ_API_KEY, rpm: 30, tpm: 12_000 })
 */
export function groq(options: PresetOptions): EndpointConfig[] {
  return createPresetEndpoints({ provider: 'groq', models: ['llama-3.3-70b-versatile'] }, options);
}

/**
 * The Mistral API. Limits depend on the workspace: set `rpm` and `tpm`. Default model: `mistral-large-latest`.
 *
 * @throws AiBalancerError ERR_AI_CONFIG when the key is missing or an option is unknown.
 * @example mistral({ apiKey: process.env.MISTRAL_API_KEY, tpm: 500_000 })
 */
export function mistral(options: PresetOptions): EndpointConfig[] {
  return createPresetEndpoints({ provider: 'mistral', models: ['mistral-large-latest'] }, options);
}

/**
 * The Anthropic API, in its own format. Limits depend on the usage tier and apply to each model: set `rpm` and
 * `tpm: { input, output }`. Default models: `claude-opus-5`, `claude-sonnet-4-5`, `claude-haiku-4-5`.
 *
 * @throws AiBalancerError ERR_AI_CONFIG when the key is missing or an option is unknown.
 * @example anthropic({ apiKey: process.env.ANTHROPIC_API_KEY, rpm: 50, tpm: { input: 30_000, output: 8_000 } })
 */
export function anthropic(options: PresetOptions): EndpointConfig[] {
  const models = ['claude-opus-5', 'claude-sonnet-4-5', 'claude-haiku-4-5'];
  return createPresetEndpoints({ provider: 'anthropic', models }, options);
}

/** Options of {@link azureOpenAI}. */
export interface AzureOptions extends Omit<PresetOptions, 'models'> {
  /** Name of the resource: `https://<resource>.openai.azure.com`. Required unless `baseURL` is given. */
  resource?: string | undefined;
  /** Names of deployments, by model; or a list of models whose deployments have the same names. Required. */
  deployments: Readonly<Record<string, string>> | readonly string[];
  /** A dated version of the API, such as '2024-10-21'. Default: the v1 API, which needs none. */
  apiVersion?: string | undefined;
}

/**
 * Azure OpenAI: one endpoint for each deployment of a resource. Each has its own quota in Azure: `rpm` and `tpm` apply to
 * each. A Microsoft Entra token is accepted as the key, best from a function that returns the current one.
 *
 * @throws AiBalancerError ERR_AI_CONFIG when the key, the resource or the deployments are missing or an option is unknown.
 * @example azureOpenAI({ resource: 'my-resource', apiKey: process.env.AZURE_OPENAI_API_KEY, deployments: { 'gpt-4o': 'my-gpt-4o' } })
 */
export function azureOpenAI(options: AzureOptions): EndpointConfig[] {
  const { resource, deployments, apiVersion, ...common } =
    (options as Partial<AzureOptions> | undefined) ?? {};
  const names = deploymentsByModel(deployments);
  const baseURL =
    common.baseURL ?? (resource === undefined ? undefined : `https://${resource}.openai.azure.com`);
  const ownFaults = [
    ...(baseURL === undefined ? ["resource: expected the resource's name, or a baseURL, got neither"] : []),
    ...(names.size > 0 ? [] : ['deployments: expected at least one deployment, got none']),
  ];
  // Without a deployment, 'none' prevents a second fault about missing models.
  const models = names.size > 0 ? [...names.keys()] : ['none'];
  const known = ['deployments', 'resource', 'apiVersion', ...COMMON_OPTIONS];
  const preset = { provider: 'azure', name: 'azureOpenAI', models, options: known, ownFaults };
  const endpoints = createPresetEndpoints(preset, {
    ...common,
    ...(baseURL === undefined ? {} : { baseURL }),
  });
  return endpoints.map((endpoint) => ({
    ...endpoint,
    deployment: names.get(endpoint.model) ?? endpoint.model,
    ...(apiVersion === undefined ? {} : { apiVersion }),
  }));
}

function deploymentsByModel(deployments: AzureOptions['deployments'] | undefined): Map<string, string> {
  const list = Array.isArray(deployments) ? (deployments as readonly string[]) : undefined;
  return new Map(list ? list.map((name) => [name, name]) : Object.entries(deployments ?? {}));
}

/**
 * The Gemini API, in its own format. Limits depend on the usage tier: set `rpm`, `tpm` and `rpd`. Default models:
 * `gemini-2.5-pro`, `gemini-2.5-flash`, `gemini-embedding-001`.
 *
 * @throws AiBalancerError ERR_AI_CONFIG when the key is missing or an option is unknown.
 * @example gemini({ apiKey: process.env.GEMINI_API_KEY, rpm: 150, tpm: 2_000_000 })
 */
export function gemini(options: PresetOptions): EndpointConfig[] {
  const models = ['gemini-2.5-pro', 'gemini-2.5-flash', 'gemini-embedding-001'];
  return createPresetEndpoints({ provider: 'gemini', models }, options);
}

/**
 * The xAI API. Limits depend on the account: set `rpm` and `tpm`. Default model: `grok-4`.
 *
 * @throws AiBalancerError ERR_AI_CONFIG when the key is missing or an option is unknown.
 * @example xai({ apiKey: process.env.XAI_API_KEY })
 */
export function xai(options: PresetOptions): EndpointConfig[] {
  return createPresetEndpoints({ provider: 'xai', models: ['grok-4'] }, options);
}

/**
 * Together AI. `models` is required and uses Together's model names.
 *
 * @throws AiBalancerError ERR_AI_CONFIG when the key or `models` is missing or an option is unknown.
 * @example together({ apiKey: process.env.TOGETHER_API_KEY, models: ['meta-llama/Llama-3.3-70B-Instruct-Turbo'] })
 */
export function together(options: PresetOptions & { models: readonly string[] }): EndpointConfig[] {
  return createPresetEndpoints({ provider: 'together' }, options);
}

/**
 * OpenRouter. `models` is required and uses OpenRouter's model names.
 *
 * @throws AiBalancerError ERR_AI_CONFIG when the key or `models` is missing or an option is unknown.
 * @example openrouter({ apiKey: process.env.OPENROUTER_API_KEY, models: ['openai/gpt-4o', 'anthropic/claude-sonnet-4'] })
 */
export function openrouter(options: PresetOptions & { models: readonly string[] }): EndpointConfig[] {
  return createPresetEndpoints({ provider: 'openrouter' }, options);
}

/**
 * Ollama, by default on this machine (`baseURL` for another). `models` is required: the models you have pulled. No key
 * is needed, and the price is 0. Set `maxConcurrent` to the number of calls that the machine can run at once.
 *
 * @throws AiBalancerError ERR_AI_CONFIG when `models` is missing or an option is unknown.
 * @example ollama({ models: ['llama3.3'], maxConcurrent: 4 })
 */
export function ollama(options: Optional<PresetOptions> & { models: readonly string[] }): EndpointConfig[] {
  return createPresetEndpoints({ provider: 'ollama', defaults: { price: { input: 0, output: 0 } } }, options);
}
