// A new model on a fifth of the calls, which is taken back by itself when it fails more than the old one.
// Run it with `npx tsx examples/canary/canary.ts`: it uses simulated providers.
import { Balancer, type CanaryEvent } from 'express-ai-balancer';
import { startProvider } from 'express-ai-balancer/simulator';

export interface Outcome {
  readonly event: CanaryEvent | undefined;
  /** Calls that customers saw fail. */
  readonly failed: number;
}

/** Serves that many customers while a share of the new model's calls fails. */
export async function tryNewModel(failures: number, customers: number): Promise<Outcome> {
  const common = { timeScale: 0, models: { 'gpt-4o': {}, 'gpt-4.1': {} } };
  const old = await startProvider({ ...common, errorShare: 0.02, seed: 1 });
  const next = await startProvider({ ...common, errorShare: failures, seed: 2 });
  const balancer = new Balancer({
    endpoints: [
      { name: 'old', model: 'gpt-4o', baseURL: old.url, apiKey: 'simulated' },
      { name: 'next', model: 'gpt-4.1', baseURL: next.url, apiKey: 'simulated' },
    ],
    canary: { model: 'gpt-4.1', replaces: 'gpt-4o', share: 0.2 },
    logger: false,
  });
  let event: CanaryEvent | undefined;
  balancer.on('canary', (ended) => (event = ended));
  const messages = [{ role: 'user', content: 'Where is my parcel?' }];
  let failed = 0;
  for (let customer = 0; customer < customers && !event; customer++) {
    const answer = balancer.chat({ model: 'gpt-4o', messages }, { session: `customer ${customer}` });
    await answer.catch(() => failed++);
  }
  await balancer.close();
  await Promise.all([old.close(), next.close()]);
  return { event, failed };
}

async function main(): Promise<void> {
  const { event, failed } = await tryNewModel(0.3, 2_000);
  const { name, state, reason, calls, failures } = event ?? { name: 'gpt-4.1', state: 'testing' };
  console.log(`${name}: ${state}${reason ? `, because ${reason}` : ''}`);
  console.log(`${failures ?? 0} of its ${calls ?? 0} calls failed; customers saw ${failed} failures`);
}

// Only when this file is the program, in CommonJS as in an ES module.
if (/canary\.\w+$/.test(process.argv[1] ?? '')) void main();
