import type { AiBalancerError, Strategy } from 'express-ai-balancer';
import {
  answer,
  BODY,
  chatText,
  error,
  inSequence,
  json,
  pause,
  Rig,
  rejection,
  reset,
  silence,
  statsOf,
  until,
} from './upstream';

const rig = new Rig();
const limited = (ms: number) => error(429, {}, { 'retry-after-ms': String(ms) });
const named = (text: string, model = 'm') => ({
  model,
  messages: [{ role: 'user' as const, content: text }],
});

describe('A call whose primary endpoint is only rate limited', () => {
  it.each([
    ['with retries left', {}],
    ['with the retry budget spent', { budgetRatio: 0, budgetPerSecond: 0 }],
  ])('waits for it while the only other endpoint is down, and is served (%s)', async (_, retry) => {
    const { balancer, upstream } = await rig.start(
      { primary: inSequence(limited(1_000), answer('primary')), other: error(503) },
      { retry: { baseDelayMs: 20, ...retry } },
    );
    const { text, route } = await chatText(balancer, false);
    expect(text).toBe('primary');
    expect(route.attempts.at(-1)).toMatchObject({ endpoint: 'primary' });
    expect(upstream.count('primary')).toBe(2);
    const [first, second] = upstream.requests.filter(({ name }) => name === 'primary').map(({ at }) => at);
    expect(second! - first!).toBeGreaterThanOrEqual(1_000);
  });
});

describe('Attempts that do not count against an endpoint', () => {
  it.each([
    ['401', error(401, { code: 'invalid_api_key' })],
    ['402', error(402)],
    ['429', limited(60_000)],
  ])(
    'do not use up maxAttempts: after six keys that answer %s, the seventh key is tried',
    async (_, refused) => {
      const keys = Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => [name, refused]));
      const { balancer } = await rig.start({ ...keys, g: answer('seventh') });
      const { text, route } = await chatText(balancer, false);
      expect(text).toBe('seventh');
      expect(route.attempts).toHaveLength(7);
    },
  );
});

describe('retryAfterMs', () => {
  it('is the soonest time at which such a call could start, not the longest cooldown', async () => {
    const { balancer } = await rig.start({ a: error(401, { code: 'invalid_api_key' }), b: reset });
    const failed = (await rejection(balancer.chat(BODY))) as AiBalancerError;
    expect(failed.code).toBe('ERR_AI_ALL_FAILED');
    expect(failed.retryAfterMs).toBeLessThan(2_000);
  });

  it('is the Retry-After of a 503 if that is longer than the deadline', async () => {
    const { balancer, upstream } = await rig.start({ a: error(503, {}, { 'retry-after': '30' }) });
    const failed = (await rejection(balancer.chat(BODY, { timeoutMs: 5_000 }))) as AiBalancerError;
    expect(failed).toMatchObject({ code: 'ERR_AI_ALL_FAILED', status: 502 });
    expect(failed.retryAfterMs).toBeGreaterThan(20_000);
    expect(failed.retryAfterMs).toBeLessThanOrEqual(30_000);
    expect(upstream.count('a')).toBe(1);
  });
});

describe('A server that answers 503', () => {
  it('gets no further call before its Retry-After is over', async () => {
    const { balancer, upstream } = await rig.start(
      { a: inSequence(error(503, {}, { 'retry-after-ms': '1500' }), answer('back')) },
      { retry: { baseDelayMs: 1 } },
    );
    const first = chatText(balancer, false);
    await until(() => statsOf(balancer, 'a').state === 'cooldown');
    const second = chatText(balancer, false);
    expect([(await first).text, (await second).text]).toEqual(['back', 'back']);
    const [refusedAt, ...later] = upstream.requests.map(({ at }) => at);
    for (const at of later) expect(at - refusedAt!).toBeGreaterThanOrEqual(1_500);
  });

  it('while it loads its model is retried until it serves the call, within the deadline', async () => {
    const startedAt = performance.now();
    const { balancer } = await rig.start(
      {
        a: (arrival) => (performance.now() - startedAt < 1_600 ? error(503) : answer('loaded'))(arrival),
      },
      { retry: { baseDelayMs: 50, maxDelayMs: 1_600 } },
    );
    expect((await chatText(balancer, false)).text).toBe('loaded');
    expect(statsOf(balancer, 'a')).toMatchObject({ state: 'closed', failures: 0 });
  });
});

describe('A 429 for a used-up daily quota', () => {
  it.each([
    ['hours away', '7200', 600_000, 660_000],
    ['five minutes away', '300', 300_000, 330_000],
  ])(
    'cools the endpoint down until the reset, but for about ten minutes at most: reset %s',
    async (_, reset, least, most) => {
      const { balancer, upstream } = await rig.start({
        a: error(
          429,
          {},
          {
            'x-ratelimit-limit-requests-day': '1000',
            'x-ratelimit-remaining-requests-day': '0',
            'x-ratelimit-reset-requests-day': reset,
            'retry-after': '1',
          },
        ),
        b: answer(),
      });
      await chatText(balancer, false);
      const { cooldownUntil } = statsOf(balancer, 'a');
      expect(cooldownUntil! - Date.now()).toBeGreaterThan(least - 20_000);
      expect(cooldownUntil! - Date.now()).toBeLessThanOrEqual(most);
      await chatText(balancer, false);
      expect(upstream.count('a')).toBe(1);
    },
  );
});

describe('A request that every upstream answers with an error', () => {
  it.each([
    ['a 500', error(500)],
    ['a 200 without choices', (arrival: Parameters<typeof json>[0]) => json(arrival, 200, { choices: [] })],
  ])(
    'opens no breaker of endpoints that serve other requests: %s, repeated with the same body',
    async (_, failing) => {
      const play = (arrival: Parameters<typeof json>[0]) =>
        (JSON.stringify(arrival.body).includes('poison') ? failing : answer())(arrival);
      const { balancer } = await rig.start(
        { a: play, b: play, c: play },
        {
          strategy: 'round-robin',
          retry: { baseDelayMs: 1, maxDelayMs: 2 },
          each: { a: { tier: 0 }, b: { tier: 0 }, c: { tier: 0 } },
        },
      );
      const others: Promise<unknown>[] = [];
      for (let n = 0; n < 20; n++) {
        others.push(balancer.chat(named('a plain call')));
        // One at a time: until all endpoints have failed a call, its failures count against them.
        await rejection(balancer.chat(named('poison, and a few words more')));
        others.push(balancer.chat(named('a plain call')));
      }
      await expect(Promise.all(others)).resolves.toHaveLength(40);
      expect(balancer.stats().endpoints.map(({ state }) => state)).toEqual(['closed', 'closed', 'closed']);
    },
  );

  it('opens no breaker of endpoints that serve other requests, even if each body is new', async () => {
    const play = (arrival: Parameters<typeof json>[0]) =>
      (JSON.stringify(arrival.body).includes('poison') ? error(500) : answer())(arrival);
    const { balancer } = await rig.start(
      { a: play, b: play },
      {
        strategy: 'round-robin',
        retry: { baseDelayMs: 1, maxDelayMs: 2 },
        each: { a: { tier: 0 }, b: { tier: 0 } },
      },
    );
    for (let n = 0; n < 20; n++) {
      await balancer.chat(named('a plain call'));
      await balancer.chat(named('a plain call'));
      await rejection(balancer.chat(named(`poison number ${n} of many words`)));
    }
    expect(balancer.stats().endpoints.map(({ state }) => state)).toEqual(['closed', 'closed']);
  });

  it('does not hide a real outage: five failed calls open the breaker of the endpoint that is down', async () => {
    const { balancer } = await rig.start({ a: error(500), b: answer() });
    for (let n = 0; n < 5; n++) await balancer.chat(named(`call ${n}`));
    expect(statsOf(balancer, 'a').state).toBe('open');
  });
});

describe('A call in flight', () => {
  it('is served after its hedge delay although a reload has removed its model, and loses no slot', async () => {
    let respond: (() => void) | undefined;
    const { balancer, endpoints } = await rig.start(
      { a: (arrival) => (respond = () => answer('in flight')(arrival)) },
      { hedge: { budgetRatio: 0.05, delayMs: 60 } },
    );
    const call = chatText(balancer, false);
    await until(() => respond !== undefined);
    await balancer.reload({ endpoints: [{ ...endpoints[0]!, name: 'other', model: 'another' }] });
    await pause(120);
    respond?.();
    expect((await call).text).toBe('in flight');
    expect(balancer.stats().endpoints.map(({ inFlight }) => inFlight)).toEqual([0]);
  });

  it('goes on without a hedge if a custom strategy throws while picking one', async () => {
    let picks = 0;
    const strategy: Strategy = {
      name: 'throws',
      pick: (_call, candidates) => {
        picks++;
        if (picks > 1) throw new Error('strategy');
        return candidates.find(({ name }) => name === 'a') ?? candidates[0];
      },
    };
    let respond: (() => void) | undefined;
    const { balancer } = await rig.start(
      { a: (arrival) => (respond = () => answer('alone')(arrival)), b: silence },
      { strategy, hedge: { budgetRatio: 0.05, delayMs: 40 }, each: { b: { tier: 0 } } },
    );
    const call = chatText(balancer, false);
    await until(() => picks > 1);
    respond?.();
    expect((await call).text).toBe('alone');
    expect(balancer.stats().endpoints.map(({ inFlight }) => inFlight)).toEqual([0, 0]);
  });
});

describe('A fallback model that refuses the request as invalid', () => {
  it('does not end the call while the requested model is only cooling down', async () => {
    const { balancer } = await rig.start(
      {
        asked: inSequence(limited(600), answer('asked')),
        fallback: error(400, { message: 'unknown field' }),
      },
      { each: { fallback: { model: 'other' } }, fallbacks: { m: ['other'] } },
    );
    const { text, route } = await chatText(balancer, false);
    expect(text).toBe('asked');
    expect(route.attempts.map(({ endpoint }) => endpoint)).toEqual(['asked', 'fallback', 'asked']);
  });

  it('determines the error if the requested model does not recover in time', async () => {
    const { balancer } = await rig.start(
      { asked: limited(60_000), fallback: error(400, { message: 'unknown field' }) },
      { each: { fallback: { model: 'other' } }, fallbacks: { m: ['other'] } },
    );
    await expect(balancer.chat(BODY, { timeoutMs: 10_000 })).rejects.toMatchObject({
      code: 'ERR_AI_BAD_REQUEST',
      status: 400,
    });
  });
});
