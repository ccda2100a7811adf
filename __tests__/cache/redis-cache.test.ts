import { createBalancer } from 'express-ai-balancer';
import { RedisServer } from '../cluster/harness';
import { answer, BODY, Upstream } from '../failover/upstream';
import { requires } from '../helpers/requires';

const COLD = { ...BODY, temperature: 0 };

requires('redis-server').describe('A cache in Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.close());

  it('serves answers of other processes, and lets calls go to endpoints while Redis is down', async () => {
    const upstream = await new Upstream({ a: answer() }).listen();
    const start = async () => {
      const balancer = createBalancer({
        endpoints: [{ name: 'a', model: 'm', baseURL: upstream.url('a'), apiKey: 'k' }],
        cluster: { redis: `redis://127.0.0.1:${server.port}` },
        cache: { redis: true },
        logger: false,
      });
      await balancer.ready();
      return balancer;
    };
    const [one, two] = [await start(), await start()];
    try {
      await one.chat(COLD);
      // What is stored is read at the latest after the commands before it.
      const { route } = await two.chat(COLD).withRoute();
      expect(route.shared).toBe('cached');
      expect(upstream.count('a')).toBe(1);
      await server.close();
      expect((await two.chat({ ...COLD, user: 'other' })).choices).toHaveLength(1);
    } finally {
      await Promise.all([one, two].map((balancer) => balancer.close({ graceMs: 0 })));
      await upstream.close();
    }
  });
});
