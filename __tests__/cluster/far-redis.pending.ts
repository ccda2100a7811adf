import { AiBalancerError, createBalancer } from 'express-ai-balancer';
import { requires } from '../helpers/requires';
import { ClusterRig } from './harness';

jest.setTimeout(30_000);

const rig = new ClusterRig();
afterEach(() => rig.close());

const CALL = { model: 'gpt-4o', messages: [{ role: 'user' as const, content: 'Hello' }] };

requires('redis-server').describe('a Redis that always answers too late', () => {
  it('is away from the start: each process has its share, and no call waits', async () => {
    const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
    const far = await rig.proxy(redis, { delayMs: 25 });
    const balancer = createBalancer({
      endpoints: [provider.endpoint({ rpm: 600 })],
      cluster: { redis: far.url },
    });
    // Not even before it is known.
    const early = balancer.chat(CALL, { timeoutMs: 2_500 }).then(
      () => 'answered',
      (error: unknown) => (AiBalancerError.isInstance(error) ? error.code : 'unknown'),
    );
    expect(await within(3_000, early)).toBe('answered');
    expect(
      await within(
        3_000,
        balancer.ready().then(() => 'ready'),
      ),
    ).toBe('ready');
    expect(balancer.stats().cluster?.mode).toBe('local-share');
    expect(
      await within(
        3_000,
        balancer.chat(CALL).then(() => 'answered'),
      ),
    ).toBe('answered');
    await balancer.close();
  });
});

function within(ms: number, answer: Promise<string>): Promise<string> {
  return Promise.race([
    answer,
    new Promise<string>((resolve) => setTimeout(() => resolve('too late'), ms).unref()),
  ]);
}
