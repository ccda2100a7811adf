import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Balancer, type ChatStream } from 'express-ai-balancer';
import { endpointAt, HELLO, pauseAndRead, until } from '../helpers/provider';

const STREAM = { ...HELLO, stream: true } as const;
const says = (content: string) =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`;
const FINISH = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n';
const DONE = 'data: [DONE]\n\n';

let server: Server;
let balancer: Balancer;
let play: (res: ServerResponse) => void;
const sockets: Socket[] = [];

beforeEach(async () => {
  server = createServer({ keepAliveTimeout: 60_000 }, (req, res) => {
    req.resume().once('end', () => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      play(res);
    });
  });
  server.on('connection', (socket) => sockets.push(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  balancer = new Balancer({ logger: false, endpoints: [endpointAt({ url })], hedge: false });
});
afterEach(async () => {
  await balancer.close({ graceMs: 0 });
  for (const socket of sockets.splice(0)) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

async function textOf(stream: ChatStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  return text;
}

describe('Balancer: the connection to a provider', () => {
  it.each<[string, string]>([
    ['ends with [DONE]', FINISH + DONE],
    ['ends without [DONE]', FINISH],
  ])('is reused after a complete stream that %s', async (_, end) => {
    play = (res) => {
      res.write(says('Hello'));
      setTimeout(() => res.end(end), 5);
    };
    for (let i = 0; i < 5; i++) {
      expect(await textOf(await balancer.chat(STREAM))).toBe('Hello');
      await pauseAndRead(10);
    }
    expect(sockets).toHaveLength(1);
  });

  it('is reused by the next call if the stream ended with [DONE]', async () => {
    play = (res) => res.end(says('Hello') + FINISH + DONE);
    for (let i = 0; i < 5; i++) await textOf(await balancer.chat(STREAM));
    expect(sockets.length).toBeLessThanOrEqual(2);
  });

  it('is closed when the reader breaks out of a stream, long before stallMs', async () => {
    play = (res) => res.write(says('Hello'));
    for await (const _ of await balancer.chat(STREAM)) break;
    const leftAt = performance.now();
    await until(() => sockets[0]?.destroyed === true);
    expect(performance.now() - leftAt).toBeLessThan(10_000);
  });

  it('is closed soon after finish_reason if the stream does not end, long before stallMs', async () => {
    play = (res) => res.write(says('Hello') + FINISH);
    const startedAt = performance.now();
    expect(await textOf(await balancer.chat(STREAM))).toBe('Hello');
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    await until(() => sockets[0]?.destroyed === true);
  });
});

it('Balancer: a stream is read from the provider only as fast as the app reads it', async () => {
  let written = 0;
  const block = says('x'.repeat(16 * 1024));
  play = (res) => {
    const more = (): void => {
      while (written < 4_000) {
        written++;
        if (!res.write(block)) {
          res.once('drain', more);
          return;
        }
      }
      res.end(FINISH + DONE);
    };
    more();
  };
  const chunks = (await balancer.chat(STREAM))[Symbol.asyncIterator]();
  await chunks.next();
  let held = 0;
  while (held !== written) {
    held = written;
    await pauseAndRead(200);
  }
  // The kernel's buffers hold a few megabytes. The whole answer has 64 MB.
  expect(held).toBeLessThan(1_000);
  let read = 1;
  while (!(await chunks.next()).done) read++;
  expect(read).toBe(4_001);
});
