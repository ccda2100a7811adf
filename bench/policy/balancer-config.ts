import type { BalancerConfig, EndpointConfig, ModelProfile, StrategyName } from '../../lib/index';
import type { FleetEndpoint } from './fleets';

/** The configuration that a user of the fleet would write: limits, prices and typical latencies, no internals. */
export function balancerConfig(
  fleet: readonly FleetEndpoint[],
  strategy: StrategyName | undefined,
): BalancerConfig {
  const models: Record<string, Partial<ModelProfile>> = {};
  const endpoints: EndpointConfig[] = [];
  for (const endpoint of fleet) {
    const { model } = endpoint;
    // A profile describes a model. If its endpoints differ, the router must learn the latency of the others.
    models[model] ??= {
      latency: {
        firstTokenMs: endpoint.ttftMs,
        msPerPromptToken: endpoint.msPerPromptToken,
        msPerOutputToken: endpoint.msPerOutputToken,
      },
      capabilities: ['chat', 'tools', 'json_schema', 'streaming'],
    };
    endpoints.push({
      name: endpoint.name,
      provider: endpoint.provider,
      model,
      apiKey: 'simulated',
      rpm: endpoint.rpm,
      tpm: endpoint.tpm,
      price: { input: endpoint.usdPer1MInput, output: endpoint.usdPer1MOutput },
      quality: endpoint.quality,
      contextWindow: endpoint.contextWindow,
    });
  }
  return { endpoints, models, ...(strategy === undefined ? {} : { strategy }) };
}
