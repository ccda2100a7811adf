import type { EndpointConfig } from '../endpoint-config';
import { createPresetEndpoints, type PresetOptions } from './preset';

/**
 * HolySheep: GPT, Claude and DeepSeek models and embeddings behind one key at https://api.holysheep.ai/v1, by default
 * with 500 requests and 150,000 tokens a minute for each model.
 *
 * @example holysheep({ apiKey: process.env.HOLYSHEEP_API_KEY })
 */
export function holysheep(options: PresetOptions): EndpointConfig[] {
  return createPresetEndpoints(
    {
      provider: 'holysheep',
      models: [
        'gpt-4.1',
        'gpt-4o',
        'gpt-4o-mini',
        'claude-sonnet-4-20250514',
        'deepseek-chat',
        'text-embedding-3-small',
      ],
      defaults: { baseURL: 'https://api.holysheep.ai/v1', rpm: 500, tpm: 150_000 },
    },
    options,
  );
}
