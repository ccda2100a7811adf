// A shop with two HolySheep keys: each has its own quota, an expensive question gets a good model and a simple one a cheap
// model, and an outage of one key is not noticed. `HOLYSHEEP_API_KEY=... HOLYSHEEP_API_KEY_2=... npx tsx examples/holysheep/shop.ts`
// Without keys it uses a simulated provider.
import { Balancer, type EndpointConfig, holysheep, type RouteReport } from 'express-ai-balancer';
import { startProvider } from 'express-ai-balancer/simulator';

const MODELS = ['gpt-4o', 'gpt-4o-mini', 'deepseek-chat'];

/** One endpoint for each key and model. */
export function endpointsOf(keys: readonly string[], baseURL?: string): EndpointConfig[] {
  return keys.flatMap((apiKey, index) =>
    holysheep({
      apiKey,
      models: MODELS,
      namePrefix: `key-${index + 1}`,
      // Per model and key; see the limits of your plan.
      rpm: 500,
      tpm: 150_000,
      ...(baseURL === undefined ? {} : { baseURL }),
    }),
  );
}

/** Model 'auto': the balancer chooses by what the call needs. */
export async function askBoth(balancer: Balancer): Promise<RouteReport[]> {
  const ask = (content: string) => ({ model: 'auto', messages: [{ role: 'user', content }] });
  const simple = balancer.chat(ask('Where is my parcel?'), { priority: 3, maxCostPer1k: 0.001 }).withRoute();
  const hard = balancer
    .chat(ask('Compare these two contracts.'), { priority: 5, minQuality: 0.85 })
    .withRoute();
  return (await Promise.all([simple, hard])).map(({ route }) => route);
}

async function main(): Promise<void> {
  const keys = [process.env.HOLYSHEEP_API_KEY, process.env.HOLYSHEEP_API_KEY_2].filter(
    (key) => key !== undefined,
  );
  const models = Object.fromEntries(MODELS.map((model) => [model, {}]));
  const provider = keys.length > 0 ? undefined : await startProvider({ models, timeScale: 0.1 });
  const balancer = new Balancer({
    endpoints: provider ? endpointsOf(['simulated-1', 'simulated-2'], provider.url) : endpointsOf(keys),
  });
  for (const { endpoint, model, totalMs, costUsd } of await askBoth(balancer))
    console.log(`${model} by ${endpoint} in ${Math.round(totalMs)} ms for $${costUsd?.toFixed(6)}`);
  await balancer.close();
  await provider?.close();
}

// Only when this file is the program, in CommonJS as in an ES module.
if (/shop\.\w+$/.test(process.argv[1] ?? '')) void main();
