// A shop that never spends more than it allows, however many customers ask at once.
// Run it with `npx tsx examples/budgets/budgets.ts`: it uses a simulated provider that meters what it serves.
import { AiBalancerError, Balancer, type BudgetEvent } from 'express-ai-balancer';
import { startProvider } from 'express-ai-balancer/simulator';

const PRICE = { input: 2.5, output: 10 };
const QUESTION = { role: 'user', content: 'Where is my parcel?' };

export interface Outcome {
  readonly answered: number;
  readonly refused: number;
  /** What the provider has metered. */
  readonly spentUsd: number;
  readonly events: readonly BudgetEvent[];
}

/** Sends that many calls at once with a budget in US dollars per day. */
export async function spendADay(usdPerDay: number, calls: number): Promise<Outcome> {
  const provider = await startProvider({
    models: { 'gpt-4o': { price: PRICE } },
    errorShare: 0,
    timeScale: 0,
  });
  const balancer = new Balancer({
    endpoints: [{ name: 'main', model: 'gpt-4o', baseURL: provider.url, apiKey: 'simulated', price: PRICE }],
    budgets: { usdPerDay, timeZone: 'Asia/Seoul' },
    logger: false,
  });
  const events: BudgetEvent[] = [];
  balancer.on('budget', (event) => events.push(event));
  // max_tokens bounds what a call may cost, so that the budget is exact.
  const ask = () => balancer.chat({ model: 'gpt-4o', messages: [QUESTION], max_tokens: 100 });
  const results = await Promise.allSettled(Array.from({ length: calls }, ask));
  const refused = results.filter(
    (result) =>
      result.status === 'rejected' &&
      AiBalancerError.isInstance(result.reason) &&
      result.reason.code === 'ERR_AI_BUDGET',
  );
  const outcome = {
    answered: results.filter(({ status }) => status === 'fulfilled').length,
    refused: refused.length,
    spentUsd: provider.stats().usd,
    events,
  };
  await balancer.close();
  await provider.close();
  return outcome;
}

async function main(): Promise<void> {
  const { answered, refused, spentUsd, events } = await spendADay(0.1, 1_000);
  console.log(`${answered} answered, ${refused} refused, $${spentUsd.toFixed(4)} of $0.10 spent`);
  for (const { change, limit } of events) console.log(`budget ${limit}: ${change}`);
}

// Only when this file is the program, in CommonJS as in an ES module.
if (/budgets\.\w+$/.test(process.argv[1] ?? '')) void main();
