import axios from 'axios';
import type { EndpointConfig } from 'express-ai-balancer';
import { endpointAt, HELLO, Rig, rejection, until } from '../helpers/provider';

const rig = new Rig();

describe('Balancer.reload()', () => {
  it('rejects an invalid configuration and keeps the old one', async () => {
    const provider = await rig.provider();
    const balancer = rig.balancer([endpointAt(provider)]);
    const endpoints = [{ ...endpointAt(provider), name: 'new', rpm: -1 }];
    expect(await rejection(balancer.reload({ endpoints }))).toMatchObject({ code: 'ERR_AI_CONFIG' });
    expect(balancer.stats().endpoints.map(({ name }) => name)).toEqual(['main']);
    expect((await balancer.chat(HELLO)).object).toBe('chat.completion');
  });

  it('refuses another cluster than that of the start, and any change after close()', async () => {
    const provider = await rig.provider();
    const endpoints = [endpointAt(provider)];
    const balancer = rig.balancer(endpoints);
    const cluster = { redis: 'redis://127.0.0.1:1' };
    expect(await rejection(balancer.reload({ endpoints, cluster }))).toMatchObject({
      code: 'ERR_AI_CONFIG',
      message: expect.stringContaining('the redis and prefix that the balancer was created with') as string,
    });
    expect((await balancer.chat(HELLO)).object).toBe('chat.completion');
    await balancer.close();
    expect(await rejection(balancer.reload({ endpoints }))).toMatchObject({ code: 'ERR_AI_CLOSED' });
  });

  it('leaves scores unused without a canary, and refuses those out of range', async () => {
    const balancer = rig.balancer([endpointAt(await rig.provider())]);
    expect(balancer.score('r1', 0.5)).toBe(false);
    for (const value of [-0.1, 1.1, Number.NaN])
      expect(() => balancer.score('r1', value)).toThrow(`expected a number from 0 to 1, got ${value}`);
  });

  it('preserves quota levels, failures, latencies, cooldowns and breakers by endpoint name', async () => {
    const [used, coolingDown, broken] = [await rig.provider(), await rig.provider(), await rig.provider()];
    const endpoints: EndpointConfig[] = [
      endpointAt(used, { name: 'used', rpm: 600, tpm: 6_000, burstSeconds: 60 }),
      endpointAt(coolingDown, { name: 'cooldown' }),
      endpointAt(broken, { name: 'broken' }),
    ];
    const config = {
      endpoints,
      retry: { maxAttempts: 1 },
      breaker: { consecutiveFailures: 1, resetTimeoutMs: 15_000 },
    };
    const balancer = rig.balancer(endpoints, config);
    await balancer.chat({ ...HELLO, max_tokens: 4_000 }, { endpoint: 'used' });
    coolingDown.fault({ kind: 'unauthorized' });
    broken.fault({ kind: 'err5xx' });
    for (const endpoint of ['cooldown', 'broken']) await rejection(balancer.chat(HELLO, { endpoint }));
    const before = balancer.stats().endpoints;
    await balancer.reload({ ...config, endpoints: endpoints.toReversed() });
    const after = balancer.stats().endpoints.toReversed();
    for (const [index, stats] of after.entries()) {
      const old = before[index]!;
      expect(stats).toMatchObject({
        name: old.name,
        state: old.state,
        failures: old.failures,
        averageLatencyMs: old.averageLatencyMs,
      });
      // The bucket has refilled meanwhile, by 100 tokens per second.
      if (old.tokensLeft !== undefined) expect(stats.tokensLeft! - old.tokensLeft).toBeLessThan(200);
    }
    expect(after.map(({ state }) => state)).toEqual(['closed', 'cooldown', 'open']);
  });

  it('adds and removes endpoints, and lets calls at removed ones finish', async () => {
    const [old, young] = [
      await rig.provider({ timeScale: 1, models: { 'gpt-4o': { ttftMs: 150, msPerOutputToken: 0 } } }),
      await rig.provider(),
    ];
    const balancer = rig.balancer([endpointAt(old, { name: 'old' })]);
    const running = balancer.chat(HELLO).withRoute();
    await until(() => old.stats().inFlight === 1);
    await balancer.reload({ endpoints: [endpointAt(young, { name: 'young' })] });
    expect((await balancer.chat(HELLO).withRoute()).route.endpoint).toBe('young');
    expect((await running).route.endpoint).toBe('old');
    expect(balancer.stats().endpoints.map(({ name }) => name)).toEqual(['young']);
  });

  it('sends new calls to a new base URL while those in flight finish at the old one', async () => {
    const slow = { timeScale: 1, models: { 'gpt-4o': { ttftMs: 150, msPerOutputToken: 0 } } };
    const [here, there] = [await rig.provider(slow), await rig.provider()];
    const balancer = rig.balancer([endpointAt(here)], { retry: { maxAttempts: 1 } });
    const running = balancer.chat(HELLO);
    const streaming = balancer.chat({ ...HELLO, stream: true });
    await until(() => here.stats().inFlight === 2);
    await balancer.reload({ endpoints: [endpointAt(there)], retry: { maxAttempts: 1 } });
    await balancer.chat(HELLO);
    expect(there.stats().answered).toBe(1);
    expect((await running).object).toBe('chat.completion');
    for await (const _chunk of await streaming);
    expect(here.stats()).toMatchObject({ answered: 2, aborted: 0 });
    expect(balancer.stats().endpoints[0]).toMatchObject({ failures: 0, inFlight: 0 });
  });

  it('applies a new key, weight and limit immediately', async () => {
    const provider = await rig.provider({ keys: ['k2'] });
    const balancer = rig.balancer([endpointAt(provider, { apiKey: 'k1' })]);
    await balancer.reload({ endpoints: [endpointAt(provider, { apiKey: 'k2', weight: 5, rpm: 60 })] });
    await balancer.chat(HELLO);
    expect(balancer.stats().endpoints[0]).toMatchObject({
      weight: 5,
      requestsLeft: expect.any(Number) as number,
    });
  });

  it('applies a new axios instance', async () => {
    const endpoints = [endpointAt(await rig.provider())];
    const balancer = rig.balancer(endpoints);
    await balancer.chat(HELLO);
    let seen = 0;
    const own = axios.create();
    own.interceptors.request.use((request) => {
      seen += 1;
      return request;
    });
    await balancer.reload({ endpoints, http: { axios: own } });
    await balancer.chat(HELLO);
    expect(seen).toBe(1);
  });

  it('applies new retry and queue options', async () => {
    const [sick, well] = [await rig.provider(), await rig.provider()];
    sick.fault({ kind: 'err5xx' });
    const endpoints = [
      endpointAt(sick, { name: 'sick' }),
      endpointAt(well, { name: 'well', tier: 1, rpm: 6, burstSeconds: 10 }),
    ];
    const balancer = rig.balancer(endpoints);
    await balancer.reload({ endpoints, retry: { maxAttempts: 1 }, queue: { maxSize: 1 }, hedge: false });
    expect(await rejection(balancer.chat(HELLO))).toMatchObject({ attempts: [{ endpoint: 'sick' }] });
    balancer.endpoint('sick').disable();
    await balancer.chat(HELLO);
    const leaving = new AbortController();
    const waiting = [1, 2, 3].map(() => rejection(balancer.chat(HELLO, { signal: leaving.signal })));
    await until(() => balancer.stats().calls.shed === 2);
    expect(balancer.stats().queue.size).toBe(1);
    leaving.abort();
    await Promise.all(waiting);
  });

  it('starts a waiting call if the new configuration has capacity for it', async () => {
    const provider = await rig.provider();
    const balancer = rig.balancer([endpointAt(provider, { rpm: 6, burstSeconds: 10 })]);
    await balancer.chat(HELLO);
    const waiting = balancer.chat(HELLO);
    await until(() => balancer.stats().queue.size === 1);
    await balancer.reload({
      endpoints: [endpointAt(provider, { rpm: 6, burstSeconds: 10 }), endpointAt(provider, { name: 'more' })],
    });
    expect((await waiting.withRoute()).route.endpoint).toBe('more');
  });

  it('loses no call under load', async () => {
    const slow = { timeScale: 1, models: { 'gpt-4o': { ttftMs: 15, msPerOutputToken: 0 } } };
    const providers = await Promise.all([1, 2, 3].map(() => rig.provider(slow)));
    const pick = (...indices: number[]) =>
      indices.map((index) => endpointAt(providers[index]!, { name: `e${index}`, maxConcurrent: 20 }));
    const balancer = rig.balancer(pick(0, 1), { retry: { maxAttempts: 1 } });
    const rounds = [pick(1, 2), pick(0), pick(0, 1, 2), pick(2, 1), pick(0, 1)];
    const calls: Promise<unknown>[] = [];
    for (const endpoints of rounds) {
      for (let call = 0; call < 30; call += 1) {
        calls.push(call % 3 === 0 ? drained(balancer) : balancer.chat(HELLO));
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
      await balancer.reload({ endpoints, retry: { maxAttempts: 1 }, hedge: false });
    }
    await Promise.all(calls);
    const answered = providers.reduce((sum, provider) => sum + provider.stats().answered, 0);
    expect(answered).toBe(150);
    expect(balancer.stats()).toMatchObject({
      calls: { ok: 150, failed: 0, shed: 0 },
      endpoints: [{ inFlight: 0 }, { inFlight: 0 }],
    });
  });
});

async function drained(balancer: ReturnType<Rig['balancer']>): Promise<void> {
  for await (const _chunk of await balancer.chat({ ...HELLO, stream: true }));
}
