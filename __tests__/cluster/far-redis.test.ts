import { createBalancer } from '../../lib/index';
import { pause } from '../helpers/async';
import { requires } from '../helpers/requires';
import {
  ClusterRig,
  type Member,
  type ObservedLimit,
  type RedisProxy,
  unitsLate,
  usedShare,
  worstExcess,
} from './harness';

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
  it('counts as unreachable if it takes more than 250 ms, and no call waits for it', async () => {
    const proxy = await rig.proxy(await rig.redis(), { delayMs: 180 });
    const balancer = balancerOver(proxy);
    await balancer.ready();
    expect(balancer.stats().cluster).toMatchObject({ mode: 'local-share' });
    await expect(balancer.chat(BODY)).rejects.toMatchObject({ code: 'ERR_AI_ALL_FAILED' });
    await balancer.close();
  });

  it('delays a call at the start no longer than its deadline, or until its caller aborts', async () => {
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
    // Redis itself is given up after 2,500 ms.
    expect(performance.now() - start).toBeLessThan(2_400);
    expect(balancer.stats().endpoints[0]).toMatchObject({
      inFlight: 0,
      requestsLeft: expect.any(Number) as number,
    });
    await balancer.close();
  });
});

redisTests.describe('Cluster: a Redis that answers after 200 ms', () => {
  const LIMIT: ObservedLimit = { unit: 'requests', perMinute: 600, burstSeconds: 10 };
  const RUN_MS = 8_000;

  it('lets five processes that start one after another share a limit without exceeding it', async () => {
    const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
    const proxy = await rig.proxy(redis, { delayMs: 100 });
    const config = { endpoints: [provider.endpoint({ rpm: 600 })], cluster: { redis: proxy.url } };
    const members: Member[] = [];
    for (let n = 0; n < 5; n++) members.push(await rig.member({ config }));
    const startedAt = Date.now();
    const load = { perSecond: 12, forMs: RUN_MS, timeoutMs: 1_000 };
    await Promise.all(members.map((member) => member.load(load)));
    const admissions = await provider.admissions();
    expect(worstExcess(admissions, LIMIT)).toBeLessThanOrEqual(await unitsLate(members, LIMIT));
    expect(usedShare(admissions, LIMIT, startedAt + 3_000, startedAt + RUN_MS)).toBeGreaterThan(0.5);
    for (const member of members) {
      // On a busy machine an answer may have come too late.
      while ((await member.stats()).cluster?.mode !== 'shared') await pause(100);
      expect((await member.stats()).cluster).toEqual({ mode: 'shared', members: 5 });
      const modes = member.events.filter(({ name }) => name === 'cluster');
      for (const { event } of [modes[0]!, modes.at(-1)!])
        expect((event as { mode: string }).mode).toBe('shared');
    }
  });
});
