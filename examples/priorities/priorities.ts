// More calls than the key allows: those that matter are answered first, and those that can't be answered in time are refused
// at once. Run it with `npx tsx examples/priorities/priorities.ts`: it uses a simulated provider.
import { AiBalancerError, Balancer } from 'express-ai-balancer';
import { startProvider } from 'express-ai-balancer/simulator';

export interface Served {
  readonly priority: 1 | 2 | 3 | 4 | 5;
  readonly outcome: 'answered' | 'refused' | 'too late';
}

/** Sends calls of priority 1, 3 and 5 in turn, all at once, each with that deadline. */
export async function rush(calls: number, deadlineMs: number): Promise<Served[]> {
  const provider = await startProvider({ models: { 'gpt-4o-mini': {} }, errorShare: 0, timeScale: 0 });
  const key = { baseURL: provider.url, apiKey: 'simulated', rpm: 300, burstSeconds: 1 };
  const balancer = new Balancer({
    endpoints: [{ name: 'main', model: 'gpt-4o-mini', ...key }],
    logger: false,
  });
  const ask = async (priority: Served['priority']): Promise<Served> => {
    const body = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Where is my parcel?' }] };
    try {
      await balancer.chat(body, { priority, timeoutMs: deadlineMs });
      return { priority, outcome: 'answered' };
    } catch (error) {
      const isRefused = AiBalancerError.isInstance(error) && error.code === 'ERR_AI_SATURATED';
      return { priority, outcome: isRefused ? 'refused' : 'too late' };
    }
  };
  const served = await Promise.all(
    Array.from({ length: calls }, (_, index) => ask(([1, 3, 5] as const)[index % 3]!)),
  );
  await balancer.close();
  await provider.close();
  return served;
}

async function main(): Promise<void> {
  const served = await rush(60, 2_000);
  for (const priority of [5, 3, 1]) {
    const calls = served.filter((call) => call.priority === priority);
    const answered = calls.filter(({ outcome }) => outcome === 'answered').length;
    console.log(`priority ${priority}: ${answered} of ${calls.length} answered`);
  }
}

// Only when this file is the program, in CommonJS as in an ES module.
if (/priorities\.\w+$/.test(process.argv[1] ?? '')) void main();
