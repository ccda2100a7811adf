import { requires } from '../helpers/requires';
import { ClusterRig, type Member } from './harness';

jest.setTimeout(60_000);

const rig = new ClusterRig();
afterEach(() => rig.close());

const redisTests = requires('redis-server').describe;

redisTests('round trips to Redis', () => {
  it('are at most four a call at a low rate, and fewer than one in ten calls at 200 a second', async () => {
    const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
    const proxy = await rig.proxy(redis);
    const config = {
      endpoints: [provider.endpoint({ rpm: 60_000, tpm: 6_000_000 })],
      cluster: { redis: proxy.url },
    };
    const member = await rig.member({ config });
    const trips = async (perSecond: number, forMs: number) => {
      const before = proxy.trips;
      const outcomes = await member.load({ perSecond, forMs, timeoutMs: 2_000 });
      expect(outcomes.every(({ code }) => code === undefined)).toBe(true);
      return (proxy.trips - before) / outcomes.length;
    };
    // All of them: what a process does by itself, such as saying that it is there, is in it.
    expect(await trips(2, 6_000)).toBeLessThanOrEqual(4);
    expect(await trips(200, 5_000)).toBeLessThan(0.1);
  });
});

redisTests('an idle process', () => {
  it("hardly notices the others' traffic", async () => {
    const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
    const config = {
      endpoints: [provider.endpoint({ rpm: 60_000, tpm: 6_000_000 })],
      cluster: { redis: redis.url },
    };
    const [busy, idle] = (await rig.members(2, config)) as [Member, Member];
    // What comes with the start is over.
    await busy.load({ perSecond: 20, forMs: 1_500 });
    const before = await idle.cpu();
    await busy.load({ perSecond: 200, forMs: 6_000, timeoutMs: 2_000 });
    const after = await idle.cpu();
    // The bench tells the share itself; 1 % is meant, and a busy machine may triple it.
    expect((after.usedMs - before.usedMs) / (after.uptimeMs - before.uptimeMs)).toBeLessThan(0.03);
  });
});
