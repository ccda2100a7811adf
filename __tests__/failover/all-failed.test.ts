import type { AiBalancerError } from 'express-ai-balancer';
import {
  answer,
  BODY,
  chatText,
  error,
  inSequence,
  Rig,
  rejection,
  reset,
  silence,
  statsOf,
} from './upstream';

const rig = new Rig();
const LIMITED = error(429, {}, { 'retry-after': '30' });

describe('ERR_AI_ALL_FAILED', () => {
  it('lists the endpoint, class, status and time of each attempt', async () => {
    const { balancer } = await rig.start({ a: reset, b: error(401), c: LIMITED });
    const failed = (await rejection(balancer.chat(BODY, { timeoutMs: 5_000 }))) as AiBalancerError;
    expect(failed).toMatchObject({
      code: 'ERR_AI_ALL_FAILED',
      status: 502,
      retryable: true,
      attempts: [
        { endpoint: 'a', model: 'm', class: 'connection' },
        { endpoint: 'b', model: 'm', class: 'unauthorized', status: 401 },
        { endpoint: 'c', model: 'm', class: 'rate_limited', status: 429 },
      ],
    });
    for (const { ms } of failed.attempts ?? []) expect(ms).toBeGreaterThanOrEqual(0);
    expect(failed.message).toMatch(
      /a: connection \(ECONNRESET: .*\) after .*b: unauthorized \(401: .*\) after .*c: rate_limited \(429: .*\) after/,
    );
    expect(failed.route).toMatchObject({ attempts: failed.attempts, waitMs: 0 });
    expect(balancer.stats().calls).toEqual({ ok: 0, failed: 1, shed: 0 });
  });

  it('has status 429 and the soonest time to retry if all attempts were rate limited', async () => {
    const { balancer } = await rig.start({ a: LIMITED, b: error(429, {}, { 'retry-after': '25' }) });
    const failed = (await rejection(balancer.chat(BODY, { timeoutMs: 5_000 }))) as AiBalancerError;
    expect(failed).toMatchObject({ code: 'ERR_AI_ALL_FAILED', status: 429 });
    expect(failed.retryAfterMs).toBeGreaterThan(20_000);
    expect(failed.retryAfterMs).toBeLessThanOrEqual(27_500);
    expect(failed.headers?.['Retry-After']).toMatch(/^2[1-8]$/);
  });

  it('has status 502 if one attempt failed for another reason', async () => {
    const { balancer } = await rig.start({ a: LIMITED, b: reset });
    await expect(balancer.chat(BODY, { timeoutMs: 5_000 })).rejects.toMatchObject({ status: 502 });
  });

  it('is thrown after maxAttempts failed attempts', async () => {
    const plays = Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => [name, error(500)]));
    const { balancer, upstream } = await rig.start(plays, { retry: { maxAttempts: 3 } });
    await expect(balancer.chat(BODY)).rejects.toMatchObject({ code: 'ERR_AI_ALL_FAILED' });
    expect(upstream.requests.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  });
});

describe('An endpoint that failed a call', () => {
  it('is tried again after a backoff, and only if no other endpoint is left', async () => {
    const { balancer, upstream } = await rig.start(
      { a: inSequence(error(500), error(500), answer('at last')), b: error(401) },
      { retry: { baseDelayMs: 60, maxDelayMs: 1_000 } },
    );
    const { text, route } = await chatText(balancer, false);
    expect(text).toBe('at last');
    expect(route.attempts.map(({ endpoint }) => endpoint)).toEqual(['a', 'b', 'a', 'a']);
    const [first, , again, third] = upstream.requests.map(({ at }) => at);
    // The upper half of 60 ms, then of 120 ms.
    expect(again! - first!).toBeGreaterThanOrEqual(28);
    expect(third! - again!).toBeGreaterThanOrEqual(58);
  });

  it('is tried again after a backoff if the breakers of the other endpoints are open', async () => {
    const { balancer, upstream } = await rig.start(
      { b: error(500), a: inSequence(answer(), answer(), error(500), answer('at last')) },
      { retry: { baseDelayMs: 100 }, breaker: { consecutiveFailures: 2, resetTimeoutMs: 10_000 } },
    );
    await chatText(balancer, false);
    await chatText(balancer, false);
    expect(statsOf(balancer, 'b').state).toBe('open');
    const { text } = await chatText(balancer, false);
    expect(text).toBe('at last');
    const [first, second] = upstream.requests.slice(-2);
    expect([first?.name, second?.name]).toEqual(['a', 'a']);
    expect(second!.at - first!.at).toBeGreaterThanOrEqual(48);
  });

  it('is not tried again after a timeout, a bad answer or a broken connection', async () => {
    for (const play of [silence, reset, error(200, {})]) {
      const { balancer, upstream } = await rig.start({ a: play }, { timeouts: { totalMs: 2_000 } });
      await expect(balancer.chat(BODY, { timeoutMs: 8_000 })).rejects.toBeDefined();
      expect(upstream.count('a')).toBe(1);
    }
  });

  it('is not tried again if it sent x-should-retry: false', async () => {
    const no = error(500, {}, { 'x-should-retry': 'false' });
    const { balancer, upstream } = await rig.start({ a: no });
    await expect(balancer.chat(BODY)).rejects.toMatchObject({ code: 'ERR_AI_ALL_FAILED' });
    expect(upstream.count('a')).toBe(1);
  });

  it('is tried again after its Retry-After if it is the only endpoint', async () => {
    const { balancer, upstream } = await rig.start({
      a: inSequence(error(429, {}, { 'retry-after-ms': '150' }), answer('later')),
    });
    const { text } = await chatText(balancer, false);
    expect(text).toBe('later');
    const [first, second] = upstream.requests;
    expect(second!.at - first!.at).toBeGreaterThanOrEqual(148);
  });
});

describe('A refusal by an endpoint', () => {
  it('with a 429 causes a cooldown of at least its Retry-After, in which no call is sent', async () => {
    const { balancer, upstream } = await rig.start({ a: LIMITED, b: answer() });
    const before = Date.now();
    await chatText(balancer, false);
    for (let n = 0; n < 5; n++) await chatText(balancer, n % 2 === 0);
    expect(upstream.count('a')).toBe(1);
    const { cooldownUntil, state } = statsOf(balancer, 'a');
    expect(state).toBe('cooldown');
    expect(cooldownUntil).toBeGreaterThanOrEqual(before + 30_000 - 2);
    expect(cooldownUntil).toBeLessThanOrEqual(Date.now() + 33_000 + 2);
  });

  it('with a 429 cools down all endpoints of the quota group', async () => {
    const { balancer, upstream } = await rig.start(
      { a: LIMITED, b: answer(), c: answer() },
      { each: { a: { quotaGroup: 'account' }, b: { quotaGroup: 'account' } } },
    );
    const { route } = await chatText(balancer, false);
    expect(route.endpoint).toBe('c');
    expect(upstream.count('b')).toBe(0);
    expect(balancer.stats().endpoints.map(({ state }) => state)).toEqual(['cooldown', 'cooldown', 'closed']);
  });

  it('with a 429 causes a cooldown that does not grow with the number of calls refused in one burst', async () => {
    const { balancer } = await rig.start({ a: error(429), b: answer() });
    await Promise.all(Array.from({ length: 8 }, () => chatText(balancer, false)));
    const { cooldownUntil } = statsOf(balancer, 'a');
    expect(cooldownUntil! - Date.now()).toBeLessThanOrEqual(1_100);
  });

  it('with a 429 empties the quota unless a header says otherwise, and leaves no debt', async () => {
    const { balancer } = await rig.start(
      { a: LIMITED, b: answer() },
      { each: { a: { rpm: 600, tpm: 60_000 } } },
    );
    await chatText(balancer, false);
    const { requestsLeft, tokensLeft } = statsOf(balancer, 'a');
    expect(requestsLeft).toBe(0);
    expect(tokensLeft).toBeGreaterThanOrEqual(0);
    expect(tokensLeft).toBeLessThan(1_000);
  });

  it.each([400, 401, 402, 404])('with a %i returns the whole reservation', async (status) => {
    const { balancer } = await rig.start({ a: error(status) }, { each: { a: { rpm: 600, tpm: 600_000 } } });
    const before = statsOf(balancer, 'a');
    await rejection(balancer.chat(BODY));
    expect(statsOf(balancer, 'a')).toMatchObject({
      requestsLeft: before.requestsLeft,
      tokensLeft: before.tokensLeft,
    });
  });

  it('for a bad key causes a cooldown of minutes, which is emitted as an event and ends with enable()', async () => {
    const { balancer, upstream } = await rig.start({ a: inSequence(error(401), answer()), b: answer() });
    const cooldowns: unknown[] = [];
    balancer.on('cooldown', (cooldown) => cooldowns.push(cooldown));
    await chatText(balancer, false);
    await chatText(balancer, false);
    expect(cooldowns).toEqual([
      { endpoint: 'a', class: 'unauthorized', status: 401, message: 'status 401', cooldownMs: 600_000 },
    ]);
    expect(upstream.count('a')).toBe(1);
    balancer.endpoint('a').enable();
    expect((await chatText(balancer, false)).route.endpoint).toBe('a');
  });
});
