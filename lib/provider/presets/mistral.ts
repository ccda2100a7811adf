import type { EndpointConfig } from '../endpoint-config';
import { createPresetEndpoints, type PresetOptions } from './preset';

/**
 * Mistral. Its limits are the workspace's: give yours as `rpm` and `tpm`.
 *
 * @example mistral({ apiKey: process.env.MISTRAL_API_KEY, tpm: 500_000 })
 */
export function mistral(options: PresetOptions): EndpointConfig[] {
  return createPresetEndpoints({ provider: 'mistral', models: ['mistral-large-latest'] }, options);
}
