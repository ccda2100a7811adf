import type { EndpointConfig } from '../endpoint-config';
import { createPresetEndpoints, type PresetOptions } from './preset';

/**
 * The OpenAI API. Limits depend on the usage tier of the account: set `rpm` and `tpm`. Without them, the balancer learns
 * the limits from the rate-limit headers of the first answers. Default models: the GPT-4.1 and GPT-4o models and the
 * text-embedding-3 models.
 *
 * @throws AiBalancerError ERR_AI_CONFIG when the key is missing or an option is unknown.
 * @example openai({ apiKey: process.env.OPENAI_API_KEY, rpm: 500, tpm: 200_000 })
 */
export function openai(options: PresetOptions): EndpointConfig[] {
  const models = [
    'gpt-4.1',
    'gpt-4.1-mini',
    'gpt-4o',
    'gpt-4o-mini',
    'text-embedding-3-small',
    'text-embedding-3-large',
  ];
  return createPresetEndpoints({ provider: 'openai', models }, options);
}
