import type { EndpointConfig } from '../endpoint-config';
import { createPresetEndpoints, type PresetOptions } from './preset';

/**
 * Groq. Its limits are the account's, for each model: give yours as `rpm`, `tpm` and `rpd`.
 *
 * @example groq({ apiKey: process.env.GROQ_API_KEY, rpm: 30, tpm: 12_000 })
 */
export function groq(options: PresetOptions): EndpointConfig[] {
  return createPresetEndpoints({ provider: 'groq', models: ['llama-3.3-70b-versatile'] }, options);
}
