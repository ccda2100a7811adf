import type { EndpointConfig } from '../endpoint-config';
import { createPresetEndpoints, type PresetOptions } from './preset';

/**
 * OpenAI's own API. Its limits depend on the account's tier: give yours as `rpm` and `tpm`; until then the headers of
 * the first answers tell.
 *
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
