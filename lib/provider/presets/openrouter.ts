import type { EndpointConfig } from '../endpoint-config';
import { createPresetEndpoints, type PresetOptions } from './preset';

/**
 * OpenRouter: say which of its models, by its names.
 *
 * @example openrouter({ apiKey: process.env.OPENROUTER_API_KEY, models: ['openai/gpt-4o', 'anthropic/claude-sonnet-4'] })
 */
export function openrouter(options: PresetOptions & { models: readonly string[] }): EndpointConfig[] {
  return createPresetEndpoints({ provider: 'openrouter' }, options);
}
