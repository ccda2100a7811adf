import type { BalancerConfig } from '../../lib/config/options';
import { resolveConfig } from '../../lib/config/resolve';
import { AiBalancerError } from '../../lib/errors';
import type { EndpointConfig } from '../../lib/provider/endpoint-config';

/** One endpoint per model, named after it. */
export function endpointsOf(...models: string[]): EndpointConfig[] {
  return models.map((model) => ({ name: model, model, apiKey: 'test-key' }));
}

/** A valid configuration with additional options that need not match the types. */
export function configWith(extra: Record<string, unknown>): BalancerConfig {
  return { endpoints: endpointsOf('gpt-4o'), ...extra };
}

/** One endpoint with options that need not match the types. */
export function endpointWith(extra: Record<string, unknown>): BalancerConfig {
  return { endpoints: [{ ...endpointsOf('gpt-4o')[0], ...extra } as EndpointConfig] };
}

/** The lines of the ERR_AI_CONFIG for a configuration; empty if it is valid. */
export function faultsOf(config: unknown): string[] {
  try {
    resolveConfig(config as BalancerConfig);
    return [];
  } catch (error) {
    if (!AiBalancerError.isInstance(error)) throw error;
    expect(error.code).toBe('ERR_AI_CONFIG');
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  }
}
