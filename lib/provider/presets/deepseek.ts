import type { EndpointConfig } from '../endpoint-config';
import { createPresetEndpoints, type PresetOptions } from './preset';

/**
 * DeepSeek's own API, which publishes no fixed limits.
 *
 * @example deepseek({ apiKey: process.env.DEEPSEEK_API_KEY })
 */
export function deepseek(options: PresetOptions): EndpointConfig[] {
  return createPresetEndpoints(
    { provider: 'deepseek', models: ['deepseek-chat', 'deepseek-reasoner'] },
    options,
  );
}
