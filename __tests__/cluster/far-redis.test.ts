import { createBalancer } from '../../lib/index';
import { requires } from '../helpers/requires';
import { ClusterRig, type RedisProxy } from './harness';

const redisTests = requires('redis-server');
const rig = new ClusterRig();
afterEach(() => rig.close());

const BODY = { model: 'gpt-4o', messages: [{ role: 'user' as const, content: 'Where is my parcel?' }] };

function balancerOver(proxy: RedisProxy) {
  const baseURL = 'http://127.0.0.1:9/v1';
  return createBalancer({
    endpoints: [{ name: 'key', model: 'gpt-4o', apiKey: 'sk-test', baseURL, rpm: 600 }],
    cluster: { redis: proxy.url },
    hedge: false,
    retry: { maxAttempts: 1 },
  });
}

redisTests.describe('Cluster: a Redis that answers too slowly', () => {
  it('counts as unreachable, and delays neither the start nor a call', async () => {
    const proxy = await rig.proxy(await rig.redis(), { delayMs: 60 });
    const balancer = balancerOver(proxy);
    await balancer.ready();
    expect(balancer.stats().cluster).toMatchObject({ mode: 'local-share' });
    await expect(balancer.chat(BODY)).rejects.toMatchObject({ code: 'ERR_AI_ALL_FAILED' });
    await balancer.close();
  });

  it('and does not answer at the start delays a call no longer than its deadline, or until its caller aborts', async () => {
    const proxy = await rig.proxy(await rig.redis());
    proxy.block();
    const balancer = balancerOver(proxy);
    const leaving = new AbortController();
    const late = balancer.chat(BODY, { timeoutMs: 200 });
    const left = balancer.chat(BODY, { signal: leaving.signal });
    setTimeout(() => leaving.abort(), 100);
    const start = performance.now();
    await expect(left).rejects.toMatchObject({ code: 'ERR_AI_ABORTED' });
    await expect(late).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_AI_(SATURATED|DEADLINE)$/) as string,
    });
    expect(performance.now() - start).toBeLessThan(900);
    expect(balancer.stats().endpoints[0]).toMatchObject({
      inFlight: 0,
      requestsLeft: expect.any(Number) as number,
    });
    await balancer.close();
  });
});
