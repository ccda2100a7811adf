import { requires } from '../helpers/requires';
import { ClusterRig, type ObservedLimit, type RedisServer, usedShare, worstExcess } from './harness';

jest.setTimeout(60_000);

const rig = new ClusterRig();
afterEach(() => rig.close());

const LIMIT: ObservedLimit = { unit: 'requests', perMinute: 600, burstSeconds: 2 };
const RUN_MS = 12_000;

const LOSSES: [name: string, lose: (redis: RedisServer) => Promise<void>][] = [
  ['is flushed', (redis) => redis.flush()],
  ['comes back empty', (redis) => redis.restart()],
];

requires('redis-server').describe.each(LOSSES)('when Redis %s in the middle of the load', (_, lose) => {
  it('the quota is shared again, and kept', async () => {
    const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
    const { perMinute: rpm, burstSeconds = 10 } = LIMIT;
    const config = { endpoints: [provider.endpoint({ rpm, burstSeconds })], cluster: { redis: redis.url } };
    const members = await rig.members(2, config);
    const startedAt = Date.now();
    const loads = Promise.all(
      members.map((member) => member.load({ perSecond: 20, forMs: RUN_MS, timeoutMs: 2_000 })),
    );
    await pause(4_000);
    await lose(redis);
    const outcomes = await loads;

    // Only for want of quota.
    const codes = new Set(outcomes.flat().map(({ code }) => code));
    codes.delete(undefined);
    expect([...codes]).toEqual(['ERR_AI_SATURATED']);
    const admissions = await provider.admissions();
    expect(worstExcess(admissions, LIMIT, 0.1)).toBeLessThanOrEqual(0);
    const since = (ms: number) => admissions.filter(({ at }) => at >= startedAt + ms);
    expect(worstExcess(since(7_000), LIMIT)).toBeLessThanOrEqual(0);
    expect(usedShare(admissions, LIMIT, startedAt + 7_000, startedAt + RUN_MS)).toBeGreaterThan(0.8);
    expect((await redis.keys()).length).toBeGreaterThan(0);
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
