import { type Balancer, createBalancer } from 'express-ai-balancer';
import { requireExclusiveMachine } from '../helpers/exclusive-machine';
import { until } from '../helpers/provider';
import { requires } from '../helpers/requires';
import { ClusterRig } from './harness';

requireExclusiveMachine();

const rig = new ClusterRig();
const balancers: Balancer[] = [];
afterEach(async () => {
  await Promise.all(balancers.splice(0).map((balancer) => balancer.close()));
  await rig.close();
});

const BODY = { model: 'gpt-4o', messages: [{ role: 'user' as const, content: 'Hello' }] };

requires('redis-server').describe(
  'Cluster: two applications with the same Redis, prefix and endpoint names',
  () => {
    it('share quotas and health reports only if they use the same key', async () => {
      const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
      const start = async (apiKey: string) => {
        const balancer = createBalancer({
          endpoints: [{ ...provider.endpoint({ rpm: 6, burstSeconds: 600 }), apiKey, quotaGroup: 'account' }],
          quotaGroups: { account: { rpm: 600 } },
          cluster: { redis: redis.url },
          retry: { maxAttempts: 1 },
        });
        balancers.push(balancer);
        await balancer.ready();
        await until(() => balancer.stats().cluster?.mode === 'shared');
        return balancer;
      };
      const [one, same, other] = [await start('sk-one'), await start('sk-one'), await start('sk-other')];
      const left = (balancer: Balancer) => balancer.stats().endpoints[0]?.requestsLeft ?? NaN;
      const state = (balancer: Balancer) => balancer.stats().endpoints[0]?.state;
      const before = left(other);
      for (let n = 0; n < 4; n++) await one.chat(BODY);
      await same.chat(BODY);
      expect(left(same)).toBeLessThanOrEqual(before - 4);
      expect(left(other)).toBeGreaterThan(before - 1);
      const settings = (await redis.keys('b_*_settings')).map(({ key }) => key);
      expect(settings.filter((key) => key.includes('endpoint%20'))).toHaveLength(2);
      expect(settings.filter((key) => key.includes('group%20'))).toHaveLength(2);

      await provider.provider.fault({ kind: 'error', status: 401 });
      await expect(one.chat(BODY)).rejects.toMatchObject({ code: 'ERR_AI_ALL_FAILED' });
      await until(() => state(same) === 'cooldown');
      expect([state(one), state(other)]).toEqual(['cooldown', 'closed']);
    });
  },
);
