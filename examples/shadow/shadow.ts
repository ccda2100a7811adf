// A new model gets copies of the calls, and is compared with the old one before any customer sees it.
// Run it with `npx tsx examples/shadow/shadow.ts`: it uses simulated providers.
import { Balancer, type ShadowPair } from 'express-ai-balancer';
import { startProvider } from 'express-ai-balancer/simulator';

const PRICES = { 'gpt-4o': { input: 2.5, output: 10 }, 'gpt-4.1': { input: 2, output: 8 } };

export interface Outcome {
  readonly answered: number;
  readonly compared: number;
  /** Answers of the new model that are at most half as long as those of the old one. */
  readonly short: number;
  /** What a call costs at the two models, in US dollars. */
  readonly costUsd: { readonly live: number; readonly shadow: number };
}

/** Serves that many customers, and copies half of their calls to the new model. */
export async function compareModels(customers: number): Promise<Outcome> {
  const common = { timeScale: 0, errorShare: 0 };
  const old = await startProvider({ ...common, models: { 'gpt-4o': { price: PRICES['gpt-4o'] } }, seed: 1 });
  const next = await startProvider({
    ...common,
    models: { 'gpt-4.1': { price: PRICES['gpt-4.1'] } },
    seed: 2,
  });
  const pairs: ShadowPair[] = [];
  const balancer = new Balancer({
    endpoints: [
      { name: 'old', model: 'gpt-4o', baseURL: old.url, apiKey: 'simulated', price: PRICES['gpt-4o'] },
      // With weight 0 it serves no customer.
      {
        name: 'next',
        model: 'gpt-4.1',
        baseURL: next.url,
        apiKey: 'simulated',
        price: PRICES['gpt-4.1'],
        weight: 0,
      },
    ],
    shadow: { endpoint: 'next', share: 0.5, usdPerDay: 2, compare: (pair) => void pairs.push(pair) },
    logger: false,
  });
  const messages = [{ role: 'user', content: 'Where is my parcel?' }];
  let answered = 0;
  for (let customer = 0; customer < customers; customer++) {
    await balancer.chat({ model: 'gpt-4o', messages });
    answered++;
  }
  while (balancer.stats().shadow?.running) await new Promise((resolve) => setTimeout(resolve, 5));
  await balancer.close();
  await Promise.all([old.close(), next.close()]);
  return {
    answered,
    compared: pairs.length,
    short: pairs.filter(isShort).length,
    costUsd: { live: meanCost(pairs, 'live'), shadow: meanCost(pairs, 'shadow') },
  };
}

/** What an app compares is its own: here the length, in practice a judge's score or whether the JSON is valid. */
function isShort({ live, shadow }: ShadowPair): boolean {
  return lengthOf(shadow.answer) <= lengthOf(live.answer) / 2;
}

function lengthOf(answer: ShadowPair['shadow']['answer']): number {
  return answer?.choices[0]?.message.content?.length ?? 0;
}

function meanCost(pairs: readonly ShadowPair[], side: 'live' | 'shadow'): number {
  return pairs.reduce((sum, pair) => sum + (pair[side].costUsd ?? 0), 0) / Math.max(1, pairs.length);
}

async function main(): Promise<void> {
  const { answered, compared, short, costUsd } = await compareModels(200);
  console.log(
    `${answered} customers were answered by gpt-4o; ${compared} of their calls were copied to gpt-4.1`,
  );
  console.log(`${short} answers of gpt-4.1 are at most half as long`);
  console.log(
    `a call costs $${costUsd.live.toFixed(5)} at gpt-4o and $${costUsd.shadow.toFixed(5)} at gpt-4.1`,
  );
}

// Only when this file is the program, in CommonJS as in an ES module.
if (/shadow\.\w+$/.test(process.argv[1] ?? '')) void main();
