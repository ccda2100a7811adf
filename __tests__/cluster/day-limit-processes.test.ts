import { requireExclusiveMachine } from '../helpers/exclusive-machine';
import { requires } from '../helpers/requires';
import { ClusterRig, type Member, type Outcome, type ProviderProcess, type RedisServer } from './harness';

requireExclusiveMachine();

const rig = new ClusterRig();
afterEach(() => rig.close());

const REQUESTS_PER_DAY = 240;
const TOKENS_PER_DAY = 5_000;
/** The model whose limit is in tokens. */
const MINI = 'gpt-4o-mini';

function configOf(provider: ProviderProcess, redis: RedisServer) {
  const endpoints = [
    provider.endpoint({ rpd: REQUESTS_PER_DAY }),
    provider.endpoint({ name: 'mini', model: MINI, tpd: TOKENS_PER_DAY }),
  ];
  return { endpoints, fallbacks: {}, cluster: { redis: redis.url } };
}

async function runLoad(members: readonly Member[], forMs: number, model = 'gpt-4o'): Promise<Outcome[]> {
  // A busy machine must not make a call late: one that no quota is left for is refused at once.
  const load = { perSecond: 40, forMs, model, timeoutMs: 20_000 };
  return (await Promise.all(members.map((member) => member.load(load)))).flat();
}

/** Runs the load until nothing is left: no call has been served for longer than a process keeps unused units. */
async function useUp(members: readonly Member[], model?: string): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let more: Outcome[]; served((more = await runLoad(members, 3_000, model))) > 0; )
    outcomes.push(...more);
  return outcomes;
}

/** Resolves when the provider has got that many more calls. */
async function moreCalls({ provider }: ProviderProcess, count: number): Promise<void> {
  const before = (await provider.stats()).seen;
  while ((await provider.stats()).seen < before + count) await pause(20);
}

const served = (outcomes: readonly Outcome[]): number =>
  outcomes.filter(({ code }) => code === undefined).length;

requires('redis-server').describe('Day limit of several processes:', () => {
  it('all share one limit in Redis Cluster, and a process that starts later knows what has been used', async () => {
    const [redis, provider] = await Promise.all([rig.redis({ clusterMode: true }), rig.provider()]);
    const config = configOf(provider, redis);
    const members = await rig.members(2, config);
    const [requests, tokens] = await Promise.all([useUp(members), useUp(members, MINI)]);
    expect(served(requests)).toBeLessThanOrEqual(REQUESTS_PER_DAY);
    expect(served(requests)).toBeGreaterThanOrEqual(REQUESTS_PER_DAY - 2);
    expect(served(tokens)).toBe(TOKENS_PER_DAY / 100);
    expect(await provider.admissions()).toHaveLength(served(requests) + served(tokens));
    const late = await rig.member({ config });
    const more = await Promise.all([useUp([late]), useUp([late], MINI)]);
    expect(served(more.flat())).toBeLessThanOrEqual(REQUESTS_PER_DAY - served(requests));
    const { endpoints } = await late.stats();
    expect(endpoints.map(({ requestsLeft, tokensLeft }) => [requestsLeft, tokensLeft])).toEqual([
      [0, undefined],
      [undefined, 0],
    ]);
    const keys = (await redis.keys()).filter(({ key }) => key.includes('day'));
    expect(keys.length).toBeGreaterThan(0);
    for (const { key, ttlMs } of keys) {
      expect(key).toMatch(/^ai-balancer:\{endpoint%20\w+%20[\w-]{8}%3A\w+%20per%20day\}/);
      expect(ttlMs).toBeGreaterThan(3_500_000);
    }
  });

  it('at most 110 % of it is used, and calls are served, when Redis is killed and restarts empty', async () => {
    const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
    const members = await rig.members(3, configOf(provider, redis));
    const before = await runLoad(members, 500);
    // Everybody knows what has been used, with the next heartbeat.
    const left = REQUESTS_PER_DAY - served(before);
    for (const member of members) {
      while (((await member.stats()).endpoints[0]?.requestsLeft ?? NaN) > left + 5) await pause(20);
    }
    await redis.kill9();
    const running = useUp(members);
    await moreCalls(provider, 40);
    await redis.restart();
    const outcomes = [...before, ...(await running)];
    expect(served(outcomes)).toBeLessThanOrEqual(REQUESTS_PER_DAY * 1.1);
    expect(served(outcomes)).toBeGreaterThanOrEqual(REQUESTS_PER_DAY * 0.97);
    // The processes have reported their usage to Redis.
    const late = await rig.member({ config: configOf(provider, redis) });
    expect(served(await useUp([late]))).toBeLessThanOrEqual(Math.max(0, REQUESTS_PER_DAY - served(outcomes)));
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
