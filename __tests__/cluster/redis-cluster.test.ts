import { type BalancerConfig, createBalancer } from 'express-ai-balancer';
import { Cluster } from 'ioredis';
import { requireExclusiveMachine } from '../helpers/exclusive-machine';
import { until } from '../helpers/provider';
import { requires } from '../helpers/requires';
import {
  ClusterRig,
  type ObservedLimit,
  type ProviderProcess,
  type RedisServer,
  unitsLate,
  worstExcess,
} from './harness';

requireExclusiveMachine();

const rig = new ClusterRig();
afterAll(() => rig.close());

const LIMIT: ObservedLimit = { unit: 'requests', perMinute: 600, burstSeconds: 2 };

requires('redis-server').describe('Cluster with Redis Cluster:', () => {
  let redis: RedisServer;
  let provider: ProviderProcess;
  beforeAll(async () => {
    [redis, provider] = await Promise.all([rig.redis({ clusterMode: true }), rig.provider()]);
  });

  it('quotas are shared, and the keys of each quota are in one slot', async () => {
    const { perMinute: rpm, burstSeconds = 10 } = LIMIT;
    const config = {
      endpoints: [provider.endpoint({ rpm, tpm: 120_000, burstSeconds })],
      cluster: { redis: redis.url },
    };
    const members = await rig.members(2, config);
    await Promise.all(
      members.map((member) => member.load({ perSecond: 20, forMs: 3_000, timeoutMs: 5_000 })),
    );
    const admissions = await provider.admissions();
    expect(worstExcess(admissions, LIMIT)).toBeLessThanOrEqual(await unitsLate(members, LIMIT));
    expect(admissions.length).toBeGreaterThan(0.5 * 50);
    const keys = (await redis.keys()).map(({ key }) => key);
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys) expect(key).toMatch(/\{[^{}]+\}/);
  });

  it("the application's own ioredis Cluster is duplicated and stays open", async () => {
    const own = new Cluster([{ host: '127.0.0.1', port: redis.port }]);
    const config: BalancerConfig & { cluster: { redis: Cluster; prefix: string } } = {
      endpoints: [provider.endpoint({ rpm: 600 })],
      cluster: { redis: own, prefix: 'other' },
    };
    const balancer = createBalancer(config);
    try {
      await balancer.ready();
      // On a busy machine the first answer may come too late.
      await until(() => balancer.stats().cluster?.mode === 'shared');
      // For the same reason, a call may be served from the local share.
      await until(async () => {
        await balancer.chat({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello' }] });
        return (await redis.keys('b_other:*')).length > 0;
      });
      await balancer.close();
      expect(await own.ping()).toBe('PONG');
    } finally {
      await balancer.close();
      own.disconnect();
    }
  });
});
