import { requireExclusiveMachine } from '../helpers/exclusive-machine';
import { requires } from '../helpers/requires';
import { ClusterRig, type Member, type Outcome, type ProviderProcess, type RedisServer } from './harness';

requireExclusiveMachine();

jest.setTimeout(60_000);

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
  const load = { perSecond: 40, forMs, model, timeoutMs: 400 };
  return (await Promise.all(members.map((member) => member.load(load)))).flat();
}

const served = (outcomes: readonly Outcome[]): number =>
  outcomes.filter(({ code }) => code === undefined).length;

requires('redis-server').describe('Day limit of several processes:', () => {
  it('all share one limit, also in Redis Cluster, and a process that starts later knows what was used', async () => {
    const [redis, provider] = await Promise.all([rig.redis({ clusterMode: true }), rig.provider()]);
    const config = configOf(provider, redis);
    const members = await rig.members(2, config);
    const [requests, tokens] = await Promise.all([runLoad(members, 3_800), runLoad(members, 1_000, MINI)]);
    expect(served(requests)).toBeLessThanOrEqual(REQUESTS_PER_DAY);
    expect(served(requests)).toBeGreaterThanOrEqual(REQUESTS_PER_DAY - 2);
    expect(served(tokens)).toBe(TOKENS_PER_DAY / 100);
    expect(await provider.admissions()).toHaveLength(served(requests) + served(tokens));
    const late = await rig.member({ config });
    const more = await Promise.all([runLoad([late], 200), runLoad([late], 200, MINI)]);
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

  it('at most 110 % is used when Redis is killed and restarts empty, and no call waits for Redis', async () => {
    const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
    const members = await rig.members(3, configOf(provider, redis));
    const running = runLoad(members, 3_600);
    await pause(800);
    await redis.kill9();
    await pause(700);
    await redis.restart();
    const outcomes = await running;
    expect(served(outcomes)).toBeLessThanOrEqual(REQUESTS_PER_DAY * 1.1);
    expect(served(outcomes)).toBeGreaterThanOrEqual(REQUESTS_PER_DAY * 0.97);
    const slowest = Math.max(...outcomes.filter(({ code }) => !code).map(({ ms }) => ms));
    expect(slowest).toBeLessThan(200);
    // The processes have reported their usage to Redis.
    const late = await rig.member({ config: configOf(provider, redis) });
    expect(served(await runLoad([late], 300))).toBeLessThanOrEqual(
      Math.max(0, REQUESTS_PER_DAY - served(outcomes)),
    );
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
