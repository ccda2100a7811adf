import { endpointAt, HELLO, Rig, rejection, until } from '../helpers/provider';

const rig = new Rig();

describe('Balancer.stats()', () => {
  it('returns totals, and the configuration and state of every endpoint', async () => {
    const [a, b] = [await rig.provider(), await rig.provider()];
    const balancer = rig.balancer([
      endpointAt(a, { name: 'a', rpm: 600, tpm: 60_000, weight: 3 }),
      endpointAt(b, { name: 'b', provider: 'openai', weight: 0 }),
    ]);
    expect(balancer.stats()).toMatchObject({
      total: 2,
      healthy: 1,
      calls: { ok: 0, failed: 0, shed: 0 },
      queue: { size: 0, byPriority: { 1: 0, 2: 0, 3: 0, 4: 0, 5: 0 } },
      endpoints: [
        {
          name: 'a',
          model: 'gpt-4o',
          provider: 'openai',
          state: 'closed',
          weight: 3,
          inFlight: 0,
          failures: 0,
        },
        { name: 'b', weight: 0, requestsLeft: undefined, tokensLeft: undefined },
      ],
    });
    const before = balancer.stats().endpoints[0]!;
    expect(before.averageLatencyMs).toBeUndefined();
    await balancer.chat(HELLO);
    const after = balancer.stats().endpoints[0]!;
    expect(after.averageLatencyMs).toBeGreaterThanOrEqual(0);
    expect(after.requestsLeft).toBeLessThanOrEqual(before.requestsLeft!);
    expect(after.tokensLeft).toBeLessThan(before.tokensLeft!);
    expect(balancer.stats().calls.ok).toBe(1);
  });

  it('shows 0 as what is left while a debt is paid', async () => {
    const provider = await rig.provider();
    const limits = { rpm: 6, tpm: 6_000, burstSeconds: 1, tokensCharged: 'reserved' as const };
    const balancer = rig.balancer([endpointAt(provider, limits)]);
    // More than a second's worth of quota, so that it starts on a full bucket and leaves a debt.
    await balancer.chat({ ...HELLO, max_tokens: 5_000 });
    expect(balancer.stats().endpoints[0]).toMatchObject({ requestsLeft: 0, tokensLeft: 0 });
  });

  it('returns a copy that can be serialized as JSON', async () => {
    const balancer = rig.balancer([endpointAt(await rig.provider(), { rpm: 60 })]);
    const stats = balancer.stats();
    expect(JSON.parse(JSON.stringify(stats))).toMatchObject({ total: 1, endpoints: [{ name: 'main' }] });
    (stats.calls as { ok: number }).ok = 99;
    (stats.queue.byPriority as Record<number, number>)[3] = 99;
    expect(balancer.stats()).toMatchObject({ calls: { ok: 0 }, queue: { byPriority: { 3: 0 } } });
  });

  it('contains no key and no prompt', async () => {
    const provider = await rig.provider();
    const balancer = rig.balancer([
      endpointAt(provider, { apiKey: 'sk-secret', headers: { 'x-k': 'sk-secret' } }),
    ]);
    await balancer.chat(HELLO);
    expect(JSON.stringify(balancer.stats())).not.toMatch(/sk-secret|parcel/);
  });

  it('counts consecutive failures, and shows the end of a cooldown', async () => {
    const provider = await rig.provider();
    const balancer = rig.balancer([endpointAt(provider)], { retry: { maxAttempts: 1 } });
    provider.fault({ kind: 'err5xx', calls: 2 });
    await rejection(balancer.chat(HELLO));
    await rejection(balancer.chat(HELLO));
    expect(balancer.stats().endpoints[0]?.failures).toBe(2);
    await balancer.chat(HELLO);
    expect(balancer.stats().endpoints[0]?.failures).toBe(0);

    provider.fault({ kind: 'error', status: 429, headers: { 'retry-after': '30' }, calls: 1 });
    await rejection(balancer.chat(HELLO, { timeoutMs: 5_000 }));
    const { state, cooldownUntil } = balancer.stats().endpoints[0]!;
    expect(state).toBe('cooldown');
    expect(cooldownUntil! - Date.now()).toBeGreaterThan(20_000);
    expect(cooldownUntil! - Date.now()).toBeLessThan(33_001);
    expect(balancer.stats()).toMatchObject({ healthy: 0, calls: { ok: 1, failed: 3 } });
  });

  it('shows an open breaker and the attempts in flight', async () => {
    const provider = await rig.provider();
    const balancer = rig.balancer([endpointAt(provider)], {
      retry: { maxAttempts: 1 },
      breaker: { consecutiveFailures: 2, resetTimeoutMs: 20_000 },
    });
    const silence = provider.fault({ kind: 'silence' });
    const leaving = new AbortController();
    const calls = [1, 2, 3].map(() => rejection(balancer.chat(HELLO, { signal: leaving.signal })));
    await until(() => provider.stats().inFlight === 3);
    expect(balancer.stats().endpoints[0]?.inFlight).toBe(3);
    leaving.abort();
    await Promise.all(calls);
    await silence.end();
    provider.fault({ kind: 'err5xx' });
    await rejection(balancer.chat(HELLO));
    await rejection(balancer.chat(HELLO));
    expect(balancer.stats()).toMatchObject({ healthy: 0, endpoints: [{ state: 'open', inFlight: 0 }] });
    expect(await rejection(balancer.chat(HELLO, { timeoutMs: 1_000 }))).toMatchObject({
      code: 'ERR_AI_UNAVAILABLE',
      status: 503,
    });
  });
});
