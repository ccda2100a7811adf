// A model on this machine first, and a paid one when it is busy or down. `npx tsx examples/ollama/ollama.ts` with Ollama
// running (`ollama pull llama3.2`) and OPENAI_API_KEY set; without the key, two simulated providers take their places.
import { Balancer, ollama, openai } from 'express-ai-balancer';
import { startProvider } from 'express-ai-balancer/simulator';

interface Places {
  readonly localURL?: string;
  readonly cloudURL?: string;
  readonly apiKey: string | undefined;
}

export function localFirst({ localURL, cloudURL, apiKey }: Places): Balancer {
  return new Balancer({
    endpoints: [
      // One call at a time is what a machine without a large GPU can do well.
      ...ollama({ models: ['llama3.2'], maxConcurrent: 1, ...(localURL ? { baseURL: localURL } : {}) }),
      ...openai({ apiKey, models: ['gpt-4o-mini'], tier: 1, ...(cloudURL ? { baseURL: cloudURL } : {}) }),
    ],
    // The catalogue does not have it: without this a warning says that neutral values are used.
    models: { 'llama3.2': { quality: 0.5 } },
    fallbacks: { 'llama3.2': ['gpt-4o-mini'] },
  });
}

/** Asks that many questions at once. Returns the models that answered. */
export async function ask(balancer: Balancer, questions: number): Promise<string[]> {
  const messages = [{ role: 'user', content: 'Where is my parcel?' }];
  const answers = Array.from({ length: questions }, () =>
    balancer.chat({ model: 'llama3.2', messages }).withRoute(),
  );
  return (await Promise.all(answers)).map(({ route }) => route.model);
}

async function main(): Promise<void> {
  const apiKey = process.env.OPENAI_API_KEY;
  const simulated = apiKey
    ? []
    : await Promise.all(
        ['llama3.2', 'gpt-4o-mini'].map((model) => startProvider({ models: { [model]: {} } })),
      );
  const [local, cloud] = simulated;
  const balancer = localFirst(
    local && cloud ? { localURL: local.url, cloudURL: cloud.url, apiKey: 'simulated' } : { apiKey },
  );
  console.log(await ask(balancer, 3));
  await balancer.close();
  await Promise.all(simulated.map((provider) => provider.close()));
}

// Only when this file is the program, in CommonJS as in an ES module.
if (/ollama\.\w+$/.test(process.argv[1] ?? '')) void main();
