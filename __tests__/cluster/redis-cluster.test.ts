import { type BalancerConfig, createBalancer } from 'express-ai-balancer';
import { Cluster } from 'ioredis';
import { requires } from '../helpers/requires';
import { ClusterRig, type ObservedLimit, worstExcess } from './harness';

jest.setTimeout(60_000);

const rig = new ClusterRig();
afterEach(() => rig.close());

const LIMIT: ObservedLimit = { unit: 'requests', perMinute: 600, burstSeconds: 2 };

requires('redis-server').describe('in Redis Cluster', () => {
  it('quotas are shared: the keys of each lie in one slot', async () => {
    const [redis, provider] = await Promise.all([rig.redis({ clusterMode: true }), rig.provider()]);
    const { perMinute: rpm, burstSeconds = 10 } = LIMIT;
    const config = {
      endpoints: [provider.endpoint({ rpm, tpm: 120_000, burstSeconds })],
      cluster: { redis: redis.url },
    };
    const members = await rig.members(2, config);
    await Promise.all(
      members.map((member) => member.load({ perSecond: 20, forMs: 5_000, timeoutMs: 1_000 })),
    );
    expect(worstExcess(await provider.admissions(), LIMIT)).toBeLessThanOrEqual(0);
    const keys = (await redis.keys()).map(({ key }) => key);
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys) expect(key).toMatch(/\{[^{}]+\}/);
  });

  it("an app's own ioredis Cluster may be given, and stays the app's", async () => {
    const [redis, provider] = await Promise.all([rig.redis({ clusterMode: true }), rig.provider()]);
    const own = new Cluster([{ host: '127.0.0.1', port: redis.port }]);
    const config: BalancerConfig & { cluster: { redis: Cluster } } = {
      endpoints: [provider.endpoint({ rpm: 600 })],
      cluster: { redis: own },
    };
    const balancer = createBalancer(config);
    await balancer.ready();
    await balancer.chat({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello' }] });
    expect(await redis.keys()).not.toEqual([]);
    await balancer.close();
    expect(await own.ping()).toBe('PONG');
    own.disconnect();
  });
});
