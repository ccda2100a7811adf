import type { EndpointConfig } from '../endpoint-config';
import { createPresetEndpoints, type PresetOptions } from './preset';

/**
 * HolySheep: GPT, Claude, DeepSeek and embedding models behind one key at https://api.holysheep.ai/v1. Default limits:
 * 500 requests and 150,000 tokens per minute for each model.
 *
 * @throws AiBalancerError ERR_AI_CONFIG when the key is missing or an option is unknown.
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
