import { createBalancer } from 'express-ai-balancer';
import { Redis } from 'ioredis';
import { requireExclusiveMachine } from '../helpers/exclusive-machine';
import { until } from '../helpers/provider';
import { requires } from '../helpers/requires';
import { ClusterRig } from './harness';

requireExclusiveMachine();

const rig = new ClusterRig();
afterAll(() => rig.close());

requires('redis-server').describe('Cluster: a key that holds a value of another type', () => {
  it('stops only its own limit from being shared, with one warning', async () => {
    const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
    const warnings: object[] = [];
    const config = {
      endpoints: [
        provider.endpoint({ name: 'broken', rpm: 600 }),
        provider.endpoint({ name: 'sound', model: 'gpt-4o-mini', rpm: 600 }),
      ],
      fallbacks: {},
      cluster: { redis: redis.url },
      logger: {
        debug: () => undefined,
        info: () => undefined,
        warn: (fields: object) => warnings.push(fields),
        error: () => undefined,
      },
    };
    const first = createBalancer(config);
    await first.ready();
    const client = new Redis(redis.url);
    const settings = (await redis.keys('b_*endpoint%20broken*_settings')).map(({ key }) => key);
    await first.close();
    expect(settings).toHaveLength(1);
    await client.flushall();
    await client.set(settings[0]!, 'other');
    const modes: string[] = [];
    const balancer = createBalancer(config);
    balancer.on('cluster', ({ mode }) => modes.push(mode));
    try {
      await balancer.ready();
      await until(() => balancer.stats().cluster?.mode === 'shared');
      const body = (model: string) => ({ model, messages: [{ role: 'user' as const, content: 'Hello' }] });
      for (let n = 0; n < 30; n++) {
        await balancer.chat(body('gpt-4o'));
        await balancer.chat(body('gpt-4o-mini'));
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      expect(modes.at(-1)).toBe('shared');
      // On a busy machine the first answer of Redis may come too late, which is another warning.
      expect(warnings.filter((fields) => 'key' in fields)).toEqual([
        { key: expect.stringContaining('endpoint%20broken') as string },
      ]);
      expect(await redis.keys('b_*endpoint%20sound*_settings')).toHaveLength(1);
    } finally {
      await balancer.close();
      client.disconnect();
    }
  });
});
