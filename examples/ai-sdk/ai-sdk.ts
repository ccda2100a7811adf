// Next to Vercel's AI SDK: its models send through the balancer, in the same process and without a hop, so generateText() and
// streamText() stay as they are. Run it with `npx tsx examples/ai-sdk/ai-sdk.ts`: it uses simulated providers.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, type LanguageModel, streamText } from 'ai';
import { Balancer, createFetch } from 'express-ai-balancer';
import { startProvider } from 'express-ai-balancer/simulator';

/** A model of the AI SDK with the balancer's quotas, failover and routes behind it. */
export function balancedModel(balancer: Balancer, model: string): LanguageModel {
  const provider = createOpenAICompatible({
    name: 'balancer',
    // Nothing is sent there: createFetch() answers.
    baseURL: 'http://balancer/v1',
    fetch: createFetch(balancer),
  });
  return provider(model);
}

/** Asks twice, whole and streamed. */
export async function ask(model: LanguageModel, prompt: string): Promise<string[]> {
  // The balancer retries: once more would only add load.
  const whole = await generateText({ model, prompt, maxRetries: 0 });
  let streamed = '';
  for await (const text of streamText({ model, prompt, maxRetries: 0 }).textStream) streamed += text;
  return [whole.text, streamed];
}

async function main(): Promise<void> {
  const common = { models: { 'gpt-4o-mini': {} }, timeScale: 0.1 };
  const [main, spare] = await Promise.all([startProvider(common), startProvider(common)]);
  const balancer = new Balancer({
    endpoints: [
      { name: 'main', model: 'gpt-4o-mini', baseURL: main.url, apiKey: 'simulated' },
      { name: 'spare', model: 'gpt-4o-mini', baseURL: spare.url, apiKey: 'simulated' },
    ],
  });
  main.fault({ kind: 'err5xx' });
  console.log(await ask(balancedModel(balancer, 'gpt-4o-mini'), 'Where is my parcel?'));
  await balancer.close();
  await Promise.all([main.close(), spare.close()]);
}

// Only when this file is the program, in CommonJS as in an ES module.
if (/ai-sdk\.\w+$/.test(process.argv[1] ?? '')) void main();
