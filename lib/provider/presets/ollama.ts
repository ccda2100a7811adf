import type { EndpointConfig } from '../endpoint-config';
import { createPresetEndpoints, type PresetOptions } from './preset';

/**
 * Ollama on this machine (or where `baseURL` says): say which models are pulled. Calls cost nothing and need no key;
 * `maxConcurrent` should be what the machine can run at once.
 *
 * @example ollama({ models: ['llama3.3'], maxConcurrent: 4 })
 */
export function ollama(options: Partial<PresetOptions> & { models: readonly string[] }): EndpointConfig[] {
  return createPresetEndpoints({ provider: 'ollama', defaults: { price: { input: 0, output: 0 } } }, options);
}
