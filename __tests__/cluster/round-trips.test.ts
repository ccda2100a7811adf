import { requireExclusiveMachine } from '../helpers/exclusive-machine';
import { requires } from '../helpers/requires';
import { ClusterRig } from './harness';

requireExclusiveMachine();

jest.setTimeout(60_000);

const rig = new ClusterRig();
afterEach(() => rig.close());

requires('redis-server').describe('the traffic with Redis', () => {
  it('is at most four round trips a call at a low rate, fewer than one in ten calls at 200 a second, and hardly noticed by an idle process', async () => {
    const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
    const proxy = await rig.proxy(redis);
    const endpoints = [provider.endpoint({ rpm: 60_000, tpm: 6_000_000 })];
    const [busy, idle] = await Promise.all([
      rig.member({ config: { endpoints, cluster: { redis: proxy.url } } }),
      rig.member({ config: { endpoints, cluster: { redis: redis.url } } }),
    ]);
    const trips = async (perSecond: number, forMs: number) => {
      const before = proxy.trips;
      const outcomes = await busy.load({ perSecond, forMs, timeoutMs: 2_000 });
      expect(outcomes.every(({ code }) => code === undefined)).toBe(true);
      return (proxy.trips - before) / outcomes.length;
    };
    // All of them: what a process does by itself, such as saying that it is there, is in it.
    expect(await trips(2, 3_000)).toBeLessThanOrEqual(4);
    const before = await idle.cpu();
    expect(await trips(200, 3_000)).toBeLessThan(0.1);
    const after = await idle.cpu();
    // The bench tells the share itself; 1 % is meant, and a busy machine may triple it.
    expect((after.usedMs - before.usedMs) / (after.uptimeMs - before.uptimeMs)).toBeLessThan(0.03);
  });
});
