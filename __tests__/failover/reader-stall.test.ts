import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import axios from 'axios';
import { type ChatCompletionChunk, createBalancer } from 'express-ai-balancer';
import { answer, BODY, chatText, event, Rig, rejection, startStream, until } from './upstream';

const rig = new Rig();

const FIRST = event({
  choices: [{ index: 0, delta: { role: 'assistant', content: 'One' }, finish_reason: null }],
});
const LAST = event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });

/** A balancer over streams that show their first content and then wait. */
function start(timeouts: { readerStallMs?: number } = {}) {
  const bodies: Readable[] = [];
  const balancer = createBalancer({
    logger: false,
    endpoints: [{ name: 'a', model: 'm', baseURL: 'http://a.test', maxConcurrent: 1 }],
    timeouts: { stallMs: 600_000, ...timeouts },
    http: {
      axios: axios.create({
        adapter: (config) => {
          const body = new Readable({ read: () => undefined });
          config.signal?.addEventListener?.('abort', () => body.destroy());
          body.push(FIRST);
          bodies.push(body);
          const headers = { 'content-type': 'text/event-stream' };
          return Promise.resolve({ data: body, status: 200, statusText: 'OK', headers, config });
        },
      }),
    },
  });
  return { balancer, bodies, inFlight: () => balancer.stats().endpoints[0]!.inFlight };
}

describe('readerStallMs: a stream', () => {
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('that nobody starts to read ends after 60 s and frees its slot', async () => {
    const { balancer, bodies, inFlight } = start();
    const stream = await balancer.chat({ ...BODY, stream: true });
    await jest.advanceTimersByTimeAsync(59_000);
    expect(inFlight()).toBe(1);
    await jest.advanceTimersByTimeAsync(1_000);
    expect(inFlight()).toBe(0);
    expect(bodies[0]!.destroyed).toBe(true);
    const late = rejection(
      (async () => {
        for await (const chunk of stream) expect(chunk.choices[0]?.delta.content).toBe('One');
      })(),
    );
    expect(await late).toMatchObject({
      code: 'ERR_AI_ABORTED',
      message: expect.stringContaining('readerStallMs') as string,
    });
    await balancer.close({ graceMs: 0 });
  });

  it('whose reader stops between two events ends and frees its slot', async () => {
    const { balancer, bodies, inFlight } = start({ readerStallMs: 5_000 });
    const stream = await balancer.chat({ ...BODY, stream: true });
    const reader = stream[Symbol.asyncIterator]();
    await reader.next();
    bodies[0]!.push(FIRST);
    await reader.next();
    await jest.advanceTimersByTimeAsync(4_900);
    expect(inFlight()).toBe(1);
    await jest.advanceTimersByTimeAsync(200);
    expect(inFlight()).toBe(0);
    expect(bodies[0]!.destroyed).toBe(true);
    expect(await rejection(reader.next())).toMatchObject({ code: 'ERR_AI_ABORTED' });
    await balancer.close({ graceMs: 0 });
  });

  it('stays open for a reader that is slow but within the limit, however long the upstream takes', async () => {
    const { balancer, bodies, inFlight } = start();
    const stream = await balancer.chat({ ...BODY, stream: true });
    const reader = stream[Symbol.asyncIterator]();
    const read = async () => ((await reader.next()) as IteratorResult<ChatCompletionChunk, undefined>).value;
    expect((await read())?.choices[0]?.delta.content).toBe('One');
    await jest.advanceTimersByTimeAsync(50_000);
    const second = read();
    await jest.advanceTimersByTimeAsync(300_000);
    expect(inFlight()).toBe(1);
    bodies[0]!.push(FIRST);
    expect((await second)?.choices[0]?.delta.content).toBe('One');
    await jest.advanceTimersByTimeAsync(50_000);
    bodies[0]!.push(LAST);
    bodies[0]!.push('data: [DONE]\n\n');
    bodies[0]!.push(null);
    expect((await read())?.choices[0]?.finish_reason).toBe('stop');
    expect((await reader.next()).done).toBe(true);
    expect(inFlight()).toBe(0);
    await balancer.close({ graceMs: 0 });
  });
});

describe('readerStallMs: a client that opens a piped stream and never reads', () => {
  it('loses its connection, and its slot serves other calls', async () => {
    const { balancer } = await rig.start(
      {
        a: (arrival) => {
          if (arrival.body['stream'] !== true) {
            answer('served')(arrival);
            return;
          }
          const timer = setInterval(() => startStream(arrival, 'x'.repeat(100_000)), 1);
          arrival.res.once('close', () => clearInterval(timer));
        },
      },
      { each: { a: { maxConcurrent: 1 } }, timeouts: { readerStallMs: 400 } },
    );
    let closed = false;
    const server = createServer((_req, res) => {
      res.once('close', () => (closed = true));
      void balancer.chat({ ...BODY, stream: true }).pipe(res);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = httpRequest({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
    client.on('error', () => undefined);
    client.on('response', (res) => void res.pause());
    client.end();
    try {
      await until(() => balancer.stats().endpoints[0]!.inFlight === 1);
      expect((await chatText(balancer, false)).text).toBe('served');
      await until(() => closed, 30_000);
    } finally {
      client.destroy();
      server.closeAllConnections();
      server.close();
    }
  });
});
