import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';
import type { AiBalancerError } from 'express-ai-balancer';
import {
  answer,
  BODY,
  chatText,
  endStream,
  error,
  event,
  inSequence,
  json,
  pause,
  pauseAndRead,
  Rig,
  raw,
  rejection,
  silence,
  startStream,
  statsOf,
  Upstream,
  until,
} from '../failover/upstream';

const rig = new Rig();

describe('HTTP transport: sockets', () => {
  it('are reused by later calls, after whole, streamed and refused answers alike', async () => {
    const { balancer, upstream } = await rig.start({ a: inSequence(answer(), error(400), answer()) });
    await chatText(balancer, false);
    await pauseAndRead(5);
    await expect(chatText(balancer, false)).rejects.toMatchObject({ status: 400 });
    for (const stream of [false, true, true, false]) {
      await pauseAndRead(5);
      await chatText(balancer, stream);
    }
    expect(upstream.count('a')).toBe(6);
    expect(upstream.connections).toBe(1);
  });

  it('are opened for every concurrent call: the pool queues none', async () => {
    // Nothing is answered before every request has arrived.
    const { balancer, upstream } = await rig.start({ a: silence });
    const calls = Array.from({ length: 60 }, () => chatText(balancer, false));
    await until(() => upstream.count('a') === 60);
    for (const arrival of upstream.requests) answer()(arrival);
    await Promise.all(calls);
  });

  it('that went stale while idle are replaced, without counting as a failure or an attempt', async () => {
    const { balancer, upstream } = await rig.start(
      { a: answer(), b: answer() },
      { each: { a: { rpm: 600, tpm: 600_000 } }, breaker: { consecutiveFailures: 1 } },
    );
    await chatText(balancer, false);
    const [idle] = upstream.sockets;
    // Closed when the next request arrives, as a keep-alive timeout does in a race.
    const { req } = upstream.requests[0]!;
    expect(req.socket).toBe(idle);
    idle!.removeAllListeners('data');
    idle!.on('data', () => idle!.resetAndDestroy());
    const { route } = await chatText(balancer, false);
    expect(route.attempts).toHaveLength(1);
    expect(route.endpoint).toBe('a');
    expect(upstream.count('b')).toBe(0);
    expect(statsOf(balancer, 'a')).toMatchObject({ state: 'closed', failures: 0, inFlight: 0 });
  });

  it('that are reset long after the request was sent count as a failure of the endpoint', async () => {
    const { balancer } = await rig.start({
      a: inSequence(answer(), ({ res }) => setTimeout(() => res.socket?.resetAndDestroy(), 550)),
      b: answer(),
    });
    await chatText(balancer, false);
    await pauseAndRead(5);
    const { route } = await chatText(balancer, false);
    expect(route.attempts.map((attempt) => attempt.class)).toEqual(['connection', undefined]);
    expect(statsOf(balancer, 'a').failures).toBe(1);
  });

  it('in use stay open when a reload moves the endpoint to another URL, and close with their calls', async () => {
    const { balancer, upstream, endpoints } = await rig.start({
      a: (arrival) => setTimeout(() => answer('from the old place')(arrival), 60),
    });
    const other = await new Upstream({ b: answer('from the new place') }).listen();
    rig.use(() => other.close());
    const stream = chatText(balancer, false);
    await until(() => upstream.count('a') === 1);
    const [a] = endpoints;
    await balancer.reload({ endpoints: [{ ...a!, baseURL: other.url('b') }] });
    expect((await stream).text).toBe('from the old place');
    await until(() => upstream.sockets.size === 0);
    expect((await chatText(balancer, false)).text).toBe('from the new place');
  });
});

describe('HTTP transport: timeouts', () => {
  it('a connection that is not established within connectMs is a timeout: the call moves on and no quota is used', async () => {
    const sockets = new Set<Socket>();
    // Accepts the connection and never answers the TLS handshake.
    const mute = createServer((socket) => sockets.add(socket));
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    rig.use(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => mute.close(resolve));
    });
    const { balancer } = await rig.start(
      { a: answer(), b: answer() },
      {
        each: {
          a: {
            baseURL: `https://127.0.0.1:${(mute.address() as AddressInfo).port}`,
            timeouts: { connectMs: 60 },
            rpm: 600,
            tpm: 600_000,
          },
        },
      },
    );
    const before = statsOf(balancer, 'a');
    const { route } = await chatText(balancer, false);
    expect(route.attempts.map((attempt) => attempt.class)).toEqual(['timeout', undefined]);
    expect(route.attempts[0]!.ms).toBeGreaterThanOrEqual(58);
    expect(route.attempts[0]!.ms).toBeLessThan(4_000);
    expect(statsOf(balancer, 'a')).toMatchObject({
      failures: 1,
      requestsLeft: before.requestsLeft,
      tokensLeft: before.tokensLeft,
    });
  });

  it('a stream that stalls ends with the text so far, and counts against the endpoint', async () => {
    const { balancer, upstream } = await rig.start(
      { a: (arrival) => startStream(arrival, 'Half of') },
      { timeouts: { stallMs: 50 } },
    );
    const failed = (await rejection(chatText(balancer, true))) as AiBalancerError;
    expect(failed).toMatchObject({ code: 'ERR_AI_STREAM_BROKEN', status: 502, partialText: 'Half of' });
    expect(failed.attempts).toMatchObject([{ endpoint: 'a', class: 'timeout' }]);
    expect(statsOf(balancer, 'a')).toMatchObject({ failures: 1, inFlight: 0 });
    await until(() => upstream.sockets.size === 0);
  });

  it.each([
    ['empty deltas', event({ choices: [{ index: 0, delta: {}, finish_reason: null }] })],
    [
      'role-only deltas',
      event({ choices: [{ index: 0, delta: { role: 'assistant' }, finish_reason: null }] }),
    ],
    ['empty content', event({ choices: [{ index: 0, delta: { content: '' }, finish_reason: null }] })],
    ['events without choices', event({ choices: [] })],
    ['comments', ': ping\n\n'],
  ])('a stream that sends nothing but %s for stallMs has stalled', async (_what, text) => {
    for (const intervalMs of [0, 10]) {
      const { balancer, upstream } = await rig.start(
        {
          a: (arrival) => {
            startStream(arrival, 'Half of');
            const timer = setInterval(
              () => arrival.res.write(text.repeat(intervalMs === 0 ? 50 : 1)),
              intervalMs,
            );
            arrival.res.once('close', () => clearInterval(timer));
          },
        },
        { timeouts: { stallMs: 100 } },
      );
      const failed = (await rejection(chatText(balancer, true))) as AiBalancerError;
      expect(failed).toMatchObject({ code: 'ERR_AI_STREAM_BROKEN', partialText: 'Half of' });
      expect(failed.attempts).toMatchObject([{ endpoint: 'a', class: 'timeout' }]);
      expect(statsOf(balancer, 'a')).toMatchObject({ failures: 1, inFlight: 0 });
      await until(() => upstream.sockets.size === 0);
    }
  });

  it('a slow reader does not count as a stall of the upstream', async () => {
    const { balancer } = await rig.start(
      {
        a: (arrival) => {
          startStream(arrival, 'One ');
          startStream(arrival, 'two');
          endStream(arrival);
        },
      },
      { timeouts: { stallMs: 150 } },
    );
    const stream = await balancer.chat({ ...BODY, stream: true });
    let text = '';
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      await pause(250);
    }
    expect(text).toBe('One two');
    expect(statsOf(balancer, 'a').failures).toBe(0);
  });

  it('a stream that keeps sending content may take longer than every timeout', async () => {
    const { balancer } = await rig.start(
      {
        a: (arrival) => {
          let left = 8;
          const timer = setInterval(() => {
            if (left-- > 0) {
              startStream(arrival, 'x');
              return;
            }
            clearInterval(timer);
            endStream(arrival);
          }, 200);
        },
      },
      { timeouts: { stallMs: 1_500, firstTokenMs: 1_500, totalMs: 1_500 } },
    );
    expect((await chatText(balancer, true)).text).toBe('xxxxxxxx');
  });
});

describe('HTTP transport: answers', () => {
  it('larger than maxResponseBytes are refused, and do not count against the endpoint', async () => {
    const { balancer } = await rig.start(
      { a: answer('x'.repeat(20_000)) },
      { http: { maxResponseBytes: 5_000 }, breaker: { consecutiveFailures: 1 } },
    );
    const failed = await rejection(balancer.chat(BODY));
    expect(failed).toMatchObject({ code: 'ERR_AI_ALL_FAILED', attempts: [{ class: 'bad_answer' }] });
    expect(statsOf(balancer, 'a')).toMatchObject({ state: 'closed', inFlight: 0 });
  });

  it('with an endless error page are read only up to a limit', async () => {
    const { balancer, upstream } = await rig.start({
      a: ({ res }) => {
        res.writeHead(500);
        const timer = setInterval(() => res.write('x'.repeat(16_384)), 1);
        res.once('close', () => clearInterval(timer));
      },
      b: answer(),
    });
    const { route } = await chatText(balancer, false);
    expect(route.attempts[0]).toMatchObject({ class: 'server', status: 500 });
    await until(() => upstream.sockets.size <= 1);
  });

  it.each([
    ['without a total', { prompt_tokens: 10 }],
    ['with words for numbers', { prompt_tokens: 10, completion_tokens: 'many', total_tokens: 15 }],
    ['below zero', { prompt_tokens: -1e9, completion_tokens: -1e9, total_tokens: -2e9 }],
    ['that is null', null],
    ['that is text', 'none'],
  ])('with a usage %s leave the quota intact', async (_what, usage) => {
    const { balancer } = await rig.start(
      { a: answer('Hello', usage) },
      { each: { a: { rpm: 600, tpm: 600_000 } } },
    );
    const call = { ...BODY, max_tokens: 500 };
    for (let n = 0; n < 3; n++) await balancer.chat(call);
    const { tokensLeft, requestsLeft } = statsOf(balancer, 'a');
    expect(requestsLeft).toBeGreaterThanOrEqual(95);
    expect(tokensLeft).toBeGreaterThan(90_000);
    expect(tokensLeft).toBeLessThanOrEqual(98_000);
  });

  it('are passed on unchanged, with unknown fields', async () => {
    const body = {
      id: 'x',
      object: 'chat.completion',
      created: 1,
      model: 'm-2',
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hi' } }],
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
      never_heard_of: { deep: [1] },
    };
    const { balancer } = await rig.start({ a: (arrival) => json(arrival, 200, body) });
    expect(await balancer.chat(BODY)).toEqual(body);
  });

  it('without choices are not passed on, even if sent whole in place of a stream', async () => {
    const { balancer } = await rig.start({
      a: raw(200, '{"choices":[]}', { 'content-type': 'application/json' }),
      b: answer('streamed'),
    });
    expect((await chatText(balancer, true)).text).toBe('streamed');
  });
});

describe('HTTP transport: API keys', () => {
  it('from a function are read before each attempt', async () => {
    let asked = 0;
    const apiKey = () => Promise.resolve(`key-${++asked}`);
    const { balancer, upstream } = await rig.start({ a: answer() }, { each: { a: { apiKey } } });
    await chatText(balancer, false);
    await chatText(balancer, false);
    expect(upstream.requests.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer key-1',
      'Bearer key-2',
    ]);
  });

  it('whose function fails make the attempt fail, not the call', async () => {
    const apiKey = () => Promise.reject(new Error('the vault is closed'));
    const { balancer } = await rig.start({ a: answer(), b: answer('from b') }, { each: { a: { apiKey } } });
    expect((await chatText(balancer, false)).text).toBe('from b');
  });

  it('whose function never resolves are given up at the time limit', async () => {
    const apiKey = () => new Promise<string>(() => undefined);
    const { balancer } = await rig.start(
      { a: answer(), b: answer('from b') },
      { each: { a: { apiKey, timeouts: { firstTokenMs: 50 } } } },
    );
    expect((await chatText(balancer, false)).text).toBe('from b');
  });
});
