import { requireExclusiveMachine } from '../helpers/exclusive-machine';
import { requires } from '../helpers/requires';
import { ClusterRig, type Member, type Outcome, type ProviderProcess, type RedisServer } from './harness';

requireExclusiveMachine();

jest.setTimeout(60_000);

const rig = new ClusterRig();
afterEach(() => rig.close());

const REQUESTS_A_DAY = 240;
const TOKENS_A_DAY = 5_000;
/** The model with the limit in tokens. */
const MINI = 'gpt-4o-mini';

function configOf(provider: ProviderProcess, redis: RedisServer) {
  const endpoints = [
    provider.endpoint({ rpd: REQUESTS_A_DAY }),
    provider.endpoint({ name: 'mini', model: MINI, tpd: TOKENS_A_DAY }),
  ];
  return { endpoints, fallbacks: {}, cluster: { redis: redis.url } };
}

async function play(members: readonly Member[], forMs: number, model = 'gpt-4o'): Promise<Outcome[]> {
  const load = { perSecond: 40, forMs, model, timeoutMs: 400 };
  return (await Promise.all(members.map((member) => member.load(load)))).flat();
}

const served = (outcomes: readonly Outcome[]): number =>
  outcomes.filter(({ code }) => code === undefined).length;

requires('redis-server').describe('a limit a day of processes', () => {
  it('is one for all, in Redis Cluster too, and no process that starts later has more', async () => {
    const [redis, provider] = await Promise.all([rig.redis({ clusterMode: true }), rig.provider()]);
    const config = configOf(provider, redis);
    const members = await rig.members(2, config);
    const [requests, tokens] = await Promise.all([play(members, 3_800), play(members, 1_000, MINI)]);
    expect(served(requests)).toBeLessThanOrEqual(REQUESTS_A_DAY);
    expect(served(requests)).toBeGreaterThanOrEqual(REQUESTS_A_DAY - 2);
    expect(served(tokens)).toBe(TOKENS_A_DAY / 100);
    expect(await provider.admissions()).toHaveLength(served(requests) + served(tokens));
    const late = await rig.member({ config });
    const more = await Promise.all([play([late], 200), play([late], 200, MINI)]);
    expect(served(more.flat())).toBeLessThanOrEqual(REQUESTS_A_DAY - served(requests));
    const { endpoints } = await late.stats();
    expect(endpoints.map(({ requestsLeft, tokensLeft }) => [requestsLeft, tokensLeft])).toEqual([
      [0, undefined],
      [undefined, 0],
    ]);
    const keys = (await redis.keys()).filter(({ key }) => key.includes('day'));
    expect(keys.length).toBeGreaterThan(0);
    for (const { key, ttlMs } of keys) {
      expect(key).toMatch(/^ai-balancer:\{endpoint%20\w+%3A\w+%20per%20day\}/);
      expect(ttlMs).toBeGreaterThan(3_500_000);
    }
  });

  it('holds within a tenth where Redis is killed and comes back empty, and no call waits for it', async () => {
    const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
    const members = await rig.members(3, configOf(provider, redis));
    const running = play(members, 3_600);
    await pause(800);
    await redis.kill9();
    await pause(700);
    await redis.restart();
    const outcomes = await running;
    expect(served(outcomes)).toBeLessThanOrEqual(REQUESTS_A_DAY * 1.1);
    expect(served(outcomes)).toBeGreaterThanOrEqual(REQUESTS_A_DAY * 0.97);
    const slowest = Math.max(...outcomes.filter(({ code }) => !code).map(({ ms }) => ms));
    expect(slowest).toBeLessThan(200);
    // Redis knows again what had been used.
    const late = await rig.member({ config: configOf(provider, redis) });
    expect(served(await play([late], 300))).toBeLessThanOrEqual(
      Math.max(0, REQUESTS_A_DAY - served(outcomes)),
    );
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
