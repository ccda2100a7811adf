// A strategy of one's own: night calls go to the cheapest endpoint, day calls to the fastest one that has room. Filters,
// quotas, retries and breakers stay those of the balancer. Run it with `npx tsx examples/custom-strategy/strategy.ts`.
import { Balancer, type Candidate, type Strategy } from 'express-ai-balancer';
import { startProvider } from 'express-ai-balancer/simulator';

/** @param isNight Whether answers may be slow now. */
export function dayAndNight(isNight: () => boolean): Strategy {
  const least = (candidates: readonly Candidate[], value: (candidate: Candidate) => number) =>
    candidates.reduce((best, candidate) => (value(candidate) < value(best) ? candidate : best));
  return {
    name: 'day and night',
    pick(_call, candidates) {
      if (isNight()) return least(candidates, ({ costUsd = Infinity }) => costUsd);
      const withRoom = candidates.filter(({ usedShare }) => usedShare < 0.8);
      return least(withRoom.length > 0 ? withRoom : candidates, ({ expectedMs }) => expectedMs);
    },
  };
}

/** The endpoints that serve a call by night and one by day. */
export async function serveNightAndDay(): Promise<(string | undefined)[]> {
  const provider = await startProvider({
    models: { 'gpt-4o': {}, 'gpt-4o-mini': {} },
    errorShare: 0,
    timeScale: 0,
  });
  let isNight = true;
  const common = { baseURL: provider.url, apiKey: 'simulated' };
  const balancer = new Balancer({
    endpoints: [
      { ...common, name: 'fast', model: 'gpt-4o', aliases: ['any'], price: { input: 2.5, output: 10 } },
      {
        ...common,
        name: 'cheap',
        model: 'gpt-4o-mini',
        aliases: ['any'],
        price: { input: 0.15, output: 0.6 },
      },
    ],
    models: { 'gpt-4o': { latency: { firstTokenMs: 100, msPerPromptToken: 0, msPerOutputToken: 1 } } },
    strategy: dayAndNight(() => isNight),
  });
  const body = { model: 'any', messages: [{ role: 'user', content: 'Where is my parcel?' }] };
  const served: (string | undefined)[] = [];
  for (const night of [true, false]) {
    isNight = night;
    served.push((await balancer.chat(body).withRoute()).route.endpoint);
  }
  await balancer.close();
  await provider.close();
  return served;
}

async function main(): Promise<void> {
  const [night, day] = await serveNightAndDay();
  console.log(`by night: ${night}, by day: ${day}`);
}

// Only when this file is the program, in CommonJS as in an ES module.
if (/strategy\.\w+$/.test(process.argv[1] ?? '')) void main();
