import type { BalancerConfig, EndpointConfig, ModelProfile, StrategyName } from '../../lib/index';
import { fleet } from './scenarios';

/** What a user of that fleet would write: limits, prices and typical latencies, nothing of the laws behind them. */
export function balancerConfig(strategy: StrategyName | undefined): BalancerConfig {
  const models: Record<string, Partial<ModelProfile>> = {};
  const endpoints: EndpointConfig[] = [];
  for (const endpoint of fleet()) {
    const { model } = endpoint;
    // A profile is of a model: where its endpoints differ, the second's figures are for the router to learn.
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
