import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import compression from 'compression';
import express5 from 'express';
import OpenAI, { APIError } from 'openai';
import { AiBalancerError } from '../../lib/errors';
import type { RouteReport } from '../../lib/route-report';
import type { ChatEvent } from '../../lib/stream/chat-event';
import { readChatEvents } from '../../lib/stream/chat-event-reader';
import { ChatEventStream, type ChatStream } from '../../lib/stream/chat-stream';
import { pipeChatStream, type StreamPipeOptions } from '../../lib/stream/pipe-chat-stream';
import { chunkText, DONE, OPTIONS, Source, USAGE_EVENT } from './fixtures/streams';

const HELLO = chunkText({ content: 'Hello' });
const FINISH = chunkText({}, 'stop');
const BROKEN = new AiBalancerError('ERR_AI_STREAM_BROKEN', 'the stream broke off', { status: 502 });

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

function streamOf(source: AsyncIterable<Uint8Array>, onAbort = (): void => undefined): ChatEventStream {
  const events = readChatEvents(source, { ...OPTIONS, hideUsage: true });
  return new ChatEventStream({ first: [], events, route: () => ({}) as RouteReport, abort: onAbort });
}

async function serve(handler: (req: IncomingMessage, res: ServerResponse) => void): Promise<string> {
  const server: Server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push({
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A client that controls when it reads. */
async function connect(url: string, headers = {}): Promise<IncomingMessage> {
  const request = get(url, { headers, agent: false });
  request.on('error', () => undefined);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  open.push({ close: () => request.destroy() });
  return response;
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  let body = '';
  for await (const piece of response) body += String(piece);
  return body;
}

async function answer(
  start: Promise<ChatStream> | (() => Promise<ChatStream>),
  options?: StreamPipeOptions,
): Promise<{ response: IncomingMessage; body: string }> {
  if (start instanceof Promise) start.catch(() => undefined);
  const url = await serve(
    (_, res) => void pipeChatStream(res, start instanceof Promise ? start : start(), options),
  );
  const response = await connect(url);
  return { response, body: await bodyOf(response) };
}

const later = <T>(ms: number, value: T): Promise<T> =>
  new Promise((resolve) => setTimeout(resolve, ms, value));
const failLater = (ms: number, error: Error): Promise<never> =>
  new Promise((_, reject) => setTimeout(reject, ms, error));

describe('pipeChatStream', () => {
  it('writes the bytes of the events, hides the usage that was not requested, and ends with [DONE]', async () => {
    const { response, body } = await answer(
      Promise.resolve(streamOf(new Source([HELLO, FINISH, USAGE_EVENT, DONE]))),
      { headers: () => ({ 'x-ai-endpoint': 'one' }) },
    );
    expect(body).toBe(HELLO + FINISH + DONE);
    expect(response.statusCode).toBe(200);
    expect(response.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
      'x-ai-endpoint': 'one',
    });
  });

  it('sends headers and comments while the call waits for its first content', async () => {
    const start = () => later(1_000, streamOf(new Source([HELLO, FINISH, DONE])));
    const { body } = await answer(start, { keepAliveMs: 50, headerDelayMs: 1 });
    expect(body).toMatch(/^(: keep-alive\n\n){2,20}data: /);
    expect(body.endsWith(HELLO + FINISH + DONE)).toBe(true);
  });

  it('never sends Retry-After: 0', async () => {
    const error = new AiBalancerError('ERR_AI_SATURATED', 'no room', { status: 503, retryAfterMs: 0 });
    const { response } = await answer(Promise.reject(error));
    expect(response.headers['retry-after']).toBe('1');
  });

  it('writes the events after what the app has sent itself', async () => {
    const url = await serve((_, res) => {
      res.writeHead(202, { 'x-app': 'yes' }).write(': begins\n\n');
      void pipeChatStream(res, Promise.resolve(streamOf(new Source([HELLO, FINISH, DONE]))));
    });
    const response = await connect(url);
    expect([response.statusCode, response.headers['x-app']]).toEqual([202, 'yes']);
    expect(await bodyOf(response)).toBe(`: begins\n\n${HELLO}${FINISH}${DONE}`);
  });

  it('leaves the stream when other code ends the response', async () => {
    const left = jest.fn();
    const url = await serve((_, res) => {
      async function* source(): AsyncGenerator<Uint8Array> {
        try {
          yield await Promise.resolve(Buffer.from(HELLO));
          res.end();
          yield Buffer.from(HELLO);
        } finally {
          left();
        }
      }
      void pipeChatStream(res, Promise.resolve(streamOf(source())));
    });
    expect(await bodyOf(await connect(url))).not.toContain('[DONE]');
    for (let n = 0; n < 50 && left.mock.calls.length === 0; n++) await later(5, undefined);
    expect(left).toHaveBeenCalledTimes(1);
  });

  it('answers an early error with its own status', async () => {
    const error = new AiBalancerError('ERR_AI_SATURATED', 'no room', { status: 503, retryAfterMs: 1200 });
    const { response, body } = await answer(Promise.reject(error));
    expect(response.statusCode).toBe(503);
    expect(response.headers['retry-after']).toBe('2');
    expect(JSON.parse(body)).toMatchObject({ error: { code: 'ERR_AI_SATURATED' } });
  });

  it('sends a later error as an event, with a general message for one that is not an AiBalancerError', async () => {
    const late = await answer(() => failLater(60, BROKEN), { headerDelayMs: 5 });
    expect(late.response.statusCode).toBe(200);
    expect(late.body).toBe(`data: ${JSON.stringify(BROKEN.toBody())}\n\n`);
    const foreign = await answer(() => failLater(60, new Error('key SECRET')), { headerDelayMs: 5 });
    expect(foreign.body).not.toContain('SECRET');
  });

  it('never sends [DONE] after an answer that was cut off', async () => {
    const { body } = await answer(Promise.resolve(streamOf(new Source([HELLO, BROKEN]))));
    expect(body).toBe(`${HELLO}data: ${JSON.stringify(BROKEN.toBody())}\n\n`);
  });

  it('sends a restart as an event named restart', async () => {
    async function* events(): AsyncGenerator<ChatEvent> {
      yield* readChatEvents(new Source([HELLO, FINISH]), OPTIONS);
      stream.notifyRestart();
      yield* readChatEvents(new Source([HELLO, FINISH]), OPTIONS);
    }
    const stream: ChatEventStream = new ChatEventStream({
      first: [],
      events: { [Symbol.asyncIterator]: () => events() },
      route: () => ({}) as RouteReport,
      abort: () => undefined,
    });
    const { body } = await answer(Promise.resolve(stream));
    expect(body).toBe(`${HELLO}${FINISH}event: restart\ndata: {}\n\n${HELLO}${FINISH}${DONE}`);
  });

  it('is read by the official OpenAI client: a complete stream as complete, a broken one as an error', async () => {
    const url = await serve((req, res) => {
      const broken = req.headers['x-broken'] === 'yes';
      const source = new Source(broken ? [HELLO, BROKEN] : [HELLO, FINISH, DONE]);
      void pipeChatStream(res, Promise.resolve(streamOf(source)));
    });
    const client = new OpenAI({ baseURL: url, apiKey: 'none', maxRetries: 0 });
    const read = async (headers: Record<string, string>): Promise<string> => {
      let text = '';
      for await (const chunk of await client.chat.completions.create(
        { model: 'm', messages: [], stream: true },
        { headers },
      )) {
        text += chunk.choices[0]?.delta.content ?? '';
      }
      return text;
    };
    expect(await read({})).toBe('Hello');
    await expect(read({ 'x-broken': 'yes' })).rejects.toBeInstanceOf(APIError);
  });
});

describe('pipeChatStream to a client that leaves', () => {
  it('aborts the stream, and the pipe resolves', async () => {
    let aborted = 0;
    const source = new Source([HELLO], 'hold');
    const stream = streamOf(source, () => aborted++);
    const piped = new Promise<void>((resolve) => {
      void serve((_, res) => void pipeChatStream(res, Promise.resolve(stream)).then(resolve)).then(
        async (url) => {
          const response = await connect(url);
          await once(response, 'data');
          response.destroy();
        },
      );
    });
    await piped;
    expect(aborted).toBe(1);
    expect(source.returned).toBe(1);
  });

  it('stops a call that has not started, and aborts the stream if it starts later', async () => {
    let closed = 0;
    let aborted = 0;
    let begin = (_stream: ChatEventStream): void => undefined;
    const start = new Promise<ChatEventStream>((resolve) => (begin = resolve));
    const done = new Promise<void>((resolve) => {
      void serve((_, res) => void pipeChatStream(res, start, { onClose: () => closed++ }).then(resolve)).then(
        async (url) => (await connect(url)).destroy(),
      );
    });
    await done;
    expect(closed).toBe(1);
    begin(streamOf(new Source([], 'hold'), () => aborted++));
    await start;
    await later(1, undefined);
    expect(aborted).toBe(1);
  });

  it('aborts the stream if the response was closed before', async () => {
    let aborted = 0;
    const url = await serve((_, res) => {
      res.destroy();
      void pipeChatStream(res, Promise.resolve(streamOf(new Source([HELLO], 'hold'), () => aborted++)));
    });
    await new Promise((resolve) => get(url, { agent: false }).on('error', resolve));
    expect(aborted).toBe(1);
  });
});

it('pipeChatStream stops reading from the upstream while the client does not read', async () => {
  const big = chunkText({ content: 'x'.repeat(64 * 1024) });
  const source = new Source([...Array.from({ length: 1000 }, () => big), FINISH, DONE]);
  const url = await serve((_, res) => void pipeChatStream(res, Promise.resolve(streamOf(source))));
  const response = await connect(url);
  response.pause();
  // The buffers of the sockets fill up, and then nothing moves.
  for (let before = -1; before !== source.pulled; ) {
    before = source.pulled;
    await later(200, undefined);
  }
  expect(source.pulled).toBeLessThan(300);
  const body = await bodyOf(response);
  expect(body.endsWith(DONE)).toBe(true);
  expect(body.length).toBe(big.length * 1000 + FINISH.length + DONE.length);
});

it.each([
  ['Express 5', express5],
  ['Express 4', jest.requireActual<typeof express5>('express4')],
])('pipeChatStream delivers events one by one under compression() on %s', async (_, express) => {
  const app = express();
  app.use(compression({ threshold: 0 }));
  let arrive = (): void => undefined;
  const firstArrival = new Promise<void>((resolve) => (arrive = resolve));
  async function* slow(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(HELLO);
    // An event that compression() held back would never arrive.
    await Promise.race([firstArrival, later(20_000, undefined)]);
    yield Buffer.from(FINISH + DONE);
  }
  app.get('/', (_req, res) => void pipeChatStream(res, Promise.resolve(streamOf(slow()))));
  const url = await serve(app);
  const response = await connect(url, { 'accept-encoding': 'gzip' });
  expect(response.headers['content-encoding']).toBeUndefined();
  const arrivals: string[] = [];
  let body = '';
  for await (const piece of response) {
    arrivals.push(String(piece));
    arrive();
    body += String(piece);
  }
  expect(body).toBe(HELLO + FINISH + DONE);
  expect(arrivals[0]).toBe(HELLO);
});

it('pipeChatStream closes every upstream after 1,000 concurrent streams that are complete, cut off or abandoned', async () => {
  const sources: Source[] = [];
  let piped = 0;
  const url = await serve((req, res) => {
    const kind = Number(req.url?.slice(1)) % 3;
    const source =
      kind === 0
        ? new Source([HELLO, FINISH, DONE])
        : new Source([HELLO, ...(kind === 1 ? [BROKEN] : [])], 'hold');
    sources.push(source);
    void pipeChatStream(res, Promise.resolve(streamOf(source))).then(() => piped++);
  });
  const outcomes = await Promise.all(
    Array.from({ length: 1000 }, async (_, i) => {
      const response = await connect(`${url}/${i}`);
      if (i % 3 === 2) {
        await once(response, 'data');
        response.destroy();
        return 'left';
      }
      const body = await bodyOf(response);
      return body.includes('"error"')
        ? body.includes('[DONE]')
          ? 'lie'
          : 'marked'
        : body.endsWith(DONE)
          ? 'whole'
          : 'short';
    }),
  );
  for (let i = 0; i < 3_000 && piped < 1000; i++) await later(10, undefined);
  expect(piped).toBe(1000);
  const count = (kind: string): number => outcomes.filter((outcome) => outcome === kind).length;
  expect([count('whole'), count('marked'), count('left')]).toEqual([334, 333, 333]);
  // A stream that ended by itself needs no closing.
  expect(sources.filter((source) => source.returned === 1)).toHaveLength(666);
  // Longer than the default: 1,000 sockets on a busy machine.
});
