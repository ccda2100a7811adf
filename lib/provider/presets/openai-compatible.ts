import type { EndpointConfig } from '../endpoint-config';
import { createPresetEndpoints, type PresetOptions } from './preset';

/**
 * The DeepSeek API. It publishes no fixed limits. Default models: `deepseek-chat`, `deepseek-reasoner`.
 *
 * @throws AiBalancerError ERR_AI_CONFIG when the key is missing or an option is unknown.
 * @example deepseek({ apiKey: process.env.DEEPSEEK_API_KEY })
 */
export function deepseek(options: PresetOptions): EndpointConfig[] {
  return createPresetEndpoints(
    { provider: 'deepseek', models: ['deepseek-chat', 'deepseek-reasoner'] },
    options,
  );
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
export function ollama(options: Partial<PresetOptions> & { models: readonly string[] }): EndpointConfig[] {
  return createPresetEndpoints({ provider: 'ollama', defaults: { price: { input: 0, output: 0 } } }, options);
}
