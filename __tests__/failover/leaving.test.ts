import type { AiBalancerError, Balancer } from 'express-ai-balancer';
import {
  answer,
  BODY,
  chatText,
  error,
  Rig,
  rejection,
  silence,
  startStream,
  statsOf,
  type Upstream,
  until,
} from './upstream';

const rig = new Rig();
/** 100 requests and 100,000 tokens deep, with next to no refill while a test runs. */
const LIMITS = { rpm: 6, tpm: 6_000, burstSeconds: 1_000 };
const EACH = { a: LIMITS };
const CALL = { ...BODY, max_tokens: 1_000 };

/** No timeout is shorter: within it only the caller can have ended an attempt. */
const LEFT_MS = 10_000;

/** Milliseconds from now until the upstream has seen every socket close. */
async function closedAfter(upstream: Upstream): Promise<number> {
  const from = performance.now();
  await until(() => upstream.sockets.size === 0);
  return performance.now() - from;
}

function expectSettled(balancer: Balancer, atMost: { requests: number; tokens: number }): void {
  const { inFlight, requestsLeft, tokensLeft, failures } = statsOf(balancer, 'a');
  expect({ inFlight, failures }).toEqual({ inFlight: 0, failures: 0 });
  expect(requestsLeft).toBeGreaterThanOrEqual(98 - atMost.requests);
  expect(tokensLeft).toBeGreaterThanOrEqual(98_000 - atMost.tokens);
}

describe('A caller that leaves', () => {
  it('while the answer is awaited closes the upstream socket and settles the reservation', async () => {
    const { balancer, upstream } = await rig.start({ a: silence, b: answer() }, { each: EACH });
    const caller = new AbortController();
    const call = balancer.chat(CALL, { signal: caller.signal });
    const left = rejection(call);
    await until(() => upstream.count('a') === 1);
    expect(statsOf(balancer, 'a').tokensLeft).toBeLessThan(97_500);
    caller.abort();
    expect(await left).toMatchObject({ code: 'ERR_AI_ABORTED', status: 499 });
    expect(await closedAfter(upstream)).toBeLessThan(LEFT_MS);
    expectSettled(balancer, { requests: 1, tokens: 100 });
    expect(upstream.count('b')).toBe(0);
  });

  it('in the middle of a body closes the upstream socket and settles the reservation', async () => {
    const { balancer, upstream } = await rig.start(
      { a: ({ res }) => res.writeHead(200, { 'content-type': 'application/json' }).write('{"choices":') },
      { each: EACH },
    );
    const caller = new AbortController();
    const left = rejection(balancer.chat(CALL, { signal: caller.signal }));
    await until(() => upstream.count('a') === 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    caller.abort();
    expect(await left).toMatchObject({ code: 'ERR_AI_ABORTED' });
    expect(await closedAfter(upstream)).toBeLessThan(LEFT_MS);
    expectSettled(balancer, { requests: 1, tokens: 100 });
  });

  it.each(['signal', 'abort()', 'break'] as const)(
    'in the middle of a stream, by %s, closes the upstream socket and settles the reservation',
    async (how) => {
      const { balancer, upstream } = await rig.start(
        { a: (arrival) => startStream(arrival, 'One') },
        { each: EACH },
      );
      const caller = new AbortController();
      const stream = await balancer.chat({ ...CALL, stream: true }, { signal: caller.signal });
      const read: string[] = [];
      const reading = (async () => {
        for await (const chunk of stream) {
          read.push(chunk.choices[0]?.delta.content ?? '');
          if (how === 'break') break;
          if (how === 'signal') caller.abort();
          else stream.abort();
        }
      })();
      const ended = await reading.then(
        () => 'ended',
        (thrown: unknown) => (thrown as { code: string }).code,
      );
      expect(ended).toBe(how === 'break' ? 'ended' : 'ERR_AI_ABORTED');
      expect(read).toEqual(['One']);
      expect(await closedAfter(upstream)).toBeLessThan(LEFT_MS);
      expectSettled(balancer, { requests: 1, tokens: 100 });
      expect(balancer.stats().calls).toEqual({ ok: 0, failed: 0, shed: 0 });
    },
  );

  it('before the stream is read closes the upstream socket and settles the reservation', async () => {
    const { balancer, upstream } = await rig.start(
      { a: (arrival) => startStream(arrival, 'One') },
      { each: EACH },
    );
    const caller = new AbortController();
    await balancer.chat({ ...CALL, stream: true }, { signal: caller.signal });
    caller.abort();
    expect(await closedAfter(upstream)).toBeLessThan(LEFT_MS);
    expectSettled(balancer, { requests: 1, tokens: 100 });
  });

  it('while its call waits for quota takes it out of the queue, and nothing stays reserved', async () => {
    const { balancer, upstream } = await rig.start(
      { a: silence },
      { each: { a: { ...LIMITS, maxConcurrent: 1 } } },
    );
    const first = new AbortController();
    const running = rejection(balancer.chat(CALL, { signal: first.signal }));
    await until(() => upstream.count('a') === 1);
    const caller = new AbortController();
    const waiting = rejection(balancer.chat(CALL, { signal: caller.signal }));
    await until(() => balancer.stats().queue.size === 1);
    caller.abort();
    expect(await waiting).toMatchObject({ code: 'ERR_AI_ABORTED' });
    expect(balancer.stats().queue.size).toBe(0);
    first.abort();
    await running;
    expect(upstream.count('a')).toBe(1);
    expectSettled(balancer, { requests: 1, tokens: 100 });
  });

  it('while a hedge is in flight closes both upstream sockets and settles both reservations', async () => {
    const { balancer, upstream } = await rig.start(
      { a: silence, b: silence },
      { each: { a: LIMITS, b: LIMITS }, hedge: { delayMs: 20, budgetRatio: 1 } },
    );
    const caller = new AbortController();
    const left = rejection(balancer.chat(CALL, { signal: caller.signal }));
    await until(() => upstream.count('b') === 1);
    caller.abort();
    expect(await left).toMatchObject({ code: 'ERR_AI_ABORTED' });
    expect(await closedAfter(upstream)).toBeLessThan(LEFT_MS);
    expect(balancer.stats().endpoints.map(({ inFlight }) => inFlight)).toEqual([0, 0]);
    expectSettled(balancer, { requests: 1, tokens: 100 });
  });

  it('during a backoff ends it, and nothing more is sent', async () => {
    const { balancer, upstream } = await rig.start(
      { a: error(500) },
      { each: EACH, retry: { baseDelayMs: 30_000, maxDelayMs: 30_000 } },
    );
    const caller = new AbortController();
    const from = performance.now();
    const left = rejection(balancer.chat(CALL, { signal: caller.signal }));
    await until(() => upstream.count('a') === 1 && statsOf(balancer, 'a').inFlight === 0);
    caller.abort();
    expect(await left).toMatchObject({ code: 'ERR_AI_ABORTED' });
    expect(performance.now() - from).toBeLessThan(LEFT_MS);
    expect(upstream.count('a')).toBe(1);
  });

  it('before the call starts causes no request', async () => {
    const { balancer, upstream } = await rig.start({ a: answer() }, { each: EACH });
    await expect(balancer.chat(CALL, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ERR_AI_ABORTED',
    });
    expect(upstream.count('a')).toBe(0);
    expectSettled(balancer, { requests: 0, tokens: 0 });
  });

  it('can share its signal among many calls, which add at most one listener to it', async () => {
    const { balancer } = await rig.start({ a: answer() });
    const { signal } = new AbortController();
    const added = jest.spyOn(signal, 'addEventListener');
    const removed = jest.spyOn(signal, 'removeEventListener');
    for (let n = 0; n < 10; n++) await chatText(balancer, n % 2 === 0, { signal });
    expect(added.mock.calls.length - removed.mock.calls.length).toBeLessThanOrEqual(1);
  });
});

describe("The caller's own deadline", () => {
  it.each([false, true])(
    'never counts against the endpoint, however often it is exceeded (streamed: %s)',
    async (stream) => {
      const { balancer } = await rig.start({ a: silence }, { breaker: { consecutiveFailures: 3 } });
      for (let n = 0; n < 4; n++) {
        const failed = await rejection(chatText(balancer, stream, { timeoutMs: 150 }));
        expect(failed).toMatchObject({ code: 'ERR_AI_DEADLINE', status: 504 });
        expect((failed as Error).message).toMatch(
          /^deadline exceeded \(150 ms\): one attempt at endpoint 'a' for \d+ ms$/,
        );
        const { message } = (failed as AiBalancerError).toBody().error;
        expect(message).toBe('deadline exceeded (150 ms)');
      }
      expect(statsOf(balancer, 'a')).toMatchObject({ state: 'closed', failures: 0, inFlight: 0 });
    },
  );

  it('ends a stream that runs beyond it, which does not count against the endpoint', async () => {
    const { balancer } = await rig.start(
      { a: (arrival) => startStream(arrival, 'One') },
      { breaker: { consecutiveFailures: 1 } },
    );
    await expect(chatText(balancer, true, { timeoutMs: 60 })).rejects.toMatchObject({
      code: 'ERR_AI_DEADLINE',
    });
    expect(statsOf(balancer, 'a')).toMatchObject({ state: 'closed', failures: 0 });
  });

  it('differs from totalMs: an endpoint that exceeds totalMs has failed', async () => {
    const { balancer } = await rig.start(
      { a: silence },
      { timeouts: { totalMs: 400 }, breaker: { consecutiveFailures: 2 } },
    );
    for (let n = 0; n < 2; n++) {
      await expect(balancer.chat(BODY)).rejects.toMatchObject({ code: 'ERR_AI_DEADLINE' });
    }
    expect(statsOf(balancer, 'a')).toMatchObject({ state: 'open', failures: 2 });
  });
});
