/**
 * The longest block of the event loop by a request, an answer or a streamed event of up to 10 MB, compared with the time
 * that JSON.parse and JSON.stringify of the same data take in the same run. The upstream is a child process, so that only
 * the balancer's work is measured. `npx tsx bench/event-loop.ts [--quick]`
 */
import { fork } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AiBalancerError, type Balancer, createBalancer } from '../lib/index';

const SIZE = process.argv.includes('--quick') ? 1e6 : 1e7;
/** Below the largest event that is accepted, 8 MiB. */
const EVENT_SIZE = 0.8 * SIZE;
const ROUNDS = 3;
/** A block beyond JSON.parse and JSON.stringify that is longer than this is too long, in milliseconds. */
const ALLOWED_MS = 50;

const repeat = (text: string, size = SIZE): string => text.repeat(Math.ceil(size / text.length));
const list = (item: string, size = SIZE): string => `[${repeat(`${item},`, size).slice(0, -1)}]`;

const message = (content: string): string =>
  `{"choices":[{"index":0,"message":{"role":"assistant","content":${content}},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}`;

/** JSON bodies of whole answers. */
const ANSWERS: Record<string, () => string> = {
  'one long text': () => `${message(JSON.stringify(repeat('word ')))}}`,
  'text of escapes': () => `${message(`"${repeat('\\u00fc\\n')}"`)}}`,
  'an array of numbers': () => `${message('"Yes."')},"extra":${list('0')}}`,
  'an array of empty objects': () => `${message('"Yes."')},"extra":${list('{}')}}`,
  'many choices': () =>
    `{"choices":${list('{"index":0,"message":{"role":"assistant","content":"Yes."},"finish_reason":"stop"}')}}`,
  'no choices': () => `{"a":${list('{}')}}`,
  'broken JSON': () => `${message('"Yes."')},"extra":${list('{}')}`,
};

const chunk = (delta: string, more = ''): string =>
  `{"id":"x","choices":[{"index":0,"delta":${delta},"finish_reason":null}]${more}}`;
const END = `data: {"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n`;
const SMALL_EVENT = chunk('{"content":"word "}');
const START = `data: ${chunk('{"role":"assistant","content":"Yes."}')}\n\n`;

/** The data of one large event of a stream. */
const EVENTS: Record<string, () => string> = {
  'one long text': () => chunk(`{"content":${JSON.stringify(repeat('word ', EVENT_SIZE))}}`),
  'text of escapes': () => chunk(`{"content":"${repeat('\\u00fc\\n', EVENT_SIZE)}"}`),
  'an array of numbers': () => chunk('{"content":"Yes."}', `,"x":${list('0', EVENT_SIZE)}`),
  'only an array of numbers': () => `{"x":${list('0', EVENT_SIZE)}}`,
  'an array of empty objects': () => chunk('{"content":"Yes."}', `,"x":${list('{}', EVENT_SIZE)}`),
  spaces: () => `${repeat(' ', EVENT_SIZE)}${chunk('{"content":"Yes."}')}`,
};

/** The text of a request's message. */
const REQUESTS: Record<string, () => unknown> = {
  'one long text': () => repeat('word '),
  'text without spaces': () => repeat('x'),
  'Chinese text': () => '包裹'.repeat(SIZE / 6),
  'an image': () => [
    { type: 'image_url', image_url: { url: `data:image/png;base64,${repeat('iVBORw0K')}` } },
  ],
};

type Kind = 'answer' | 'event' | 'many events' | 'request';

interface Row {
  readonly kind: Kind;
  readonly shape: string;
  readonly blockMs: number;
  readonly jsonMs: number;
}

/** The child process: answers with the shape that the URL names. */
function serve(): void {
  const bodies = new Map<string, string>();
  const bodyOf = (kind: string, shape: string): string => {
    if (kind === 'answer') return ANSWERS[shape]!();
    if (kind === 'event') return `${START}data: ${EVENTS[shape]!()}\n\n${END}`;
    if (kind === 'many events') return START + repeat(`data: ${SMALL_EVENT}\n\n`) + END;
    return `${message('"Yes."')}}`;
  };
  const server = createServer((req, res) => {
    const [, kind = '', shape = ''] = (req.url ?? '').split('/').map(decodeURIComponent);
    const key = `${kind} ${shape}`;
    const body = bodies.get(key) ?? bodyOf(kind, shape);
    bodies.clear();
    bodies.set(key, body);
    req.resume().on('end', () => {
      const type = kind === 'answer' || kind === 'request' ? 'application/json' : 'text/event-stream';
      res.writeHead(200, { 'content-type': type }).end(body);
    });
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
}

/** Runs an async function and returns the longest time between two turns of the event loop meanwhile. */
async function longestBlock(run: () => Promise<void>): Promise<number> {
  let longest = 0;
  let last = performance.now();
  let running = true;
  const tick = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (running) setImmediate(tick);
  };
  setImmediate(tick);
  await run();
  running = false;
  await new Promise((resolve) => setImmediate(resolve));
  return longest;
}

/** What cannot be avoided: the text of the bytes, parsed and written again. */
function jsonWork(documents: readonly Buffer[]): Promise<void> {
  try {
    for (const document of documents) JSON.stringify(JSON.parse(document.toString('utf8')));
  } catch {
    // Broken JSON: the time until the parser fails.
  }
  return Promise.resolve();
}

async function call(balancer: Balancer, endpoint: string, content: unknown, stream: boolean): Promise<void> {
  const body = { model: 'm', messages: [{ role: 'user' as const, content: content as string }] };
  try {
    if (!stream) await balancer.chat({ ...body, stream: false }, { endpoint });
    else for await (const _chunk of await balancer.chat({ ...body, stream: true }, { endpoint }));
  } catch (error) {
    if (!AiBalancerError.isInstance(error)) throw error;
  }
}

async function measure(
  port: number,
  kind: Kind,
  shape: string,
  content: unknown,
  documents: readonly string[],
): Promise<Row> {
  const path = [kind, shape].map(encodeURIComponent).join('/');
  const balancer = createBalancer({
    endpoints: [
      {
        name: 'main',
        model: 'm',
        apiKey: 'sk-test',
        baseURL: `http://127.0.0.1:${port}/${path}`,
        contextWindow: 1e9,
      },
    ],
    hedge: false,
    retry: { maxAttempts: 1 },
    http: { maxResponseBytes: 64 * 2 ** 20 },
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  });
  const bytes = documents.map((document) => Buffer.from(document));
  const blocks: number[] = [];
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    balancer.endpoint('main').enable();
    blocks.push(
      await longestBlock(() => call(balancer, 'main', content, kind === 'event' || kind === 'many events')),
    );
    // Measured as a block as well, with the garbage collection that it causes.
    times.push(await longestBlock(() => jsonWork(bytes)));
  }
  await balancer.close({ graceMs: 0 });
  return { kind, shape, blockMs: Math.min(...blocks), jsonMs: Math.min(...times) };
}

async function main(): Promise<void> {
  const child = fork(__filename, ['--serve', ...process.argv.slice(2)], { execArgv: process.execArgv });
  const port = await new Promise<number>((resolve) =>
    child.once('message', (value) => resolve(value as number)),
  );
  const rows: Row[] = [];
  for (const [shape, make] of Object.entries(ANSWERS))
    rows.push(await measure(port, 'answer', shape, 'Hello', [make()]));
  for (const [shape, make] of Object.entries(EVENTS))
    rows.push(await measure(port, 'event', shape, 'Hello', [make()]));
  rows.push(
    await measure(
      port,
      'many events',
      'small',
      'Hello',
      Array<string>(Math.ceil(SIZE / (SMALL_EVENT.length + 8))).fill(SMALL_EVENT),
    ),
  );
  for (const [shape, make] of Object.entries(REQUESTS)) {
    const content = make();
    rows.push(await measure(port, 'request', shape, content, [JSON.stringify(content)]));
  }
  console.log(
    `Longest event loop block in ms by ${SIZE / 1e6} MB, best of ${ROUNDS}; node ${process.version}`,
  );
  console.table(
    rows.map(({ kind, shape, blockMs, jsonMs }) => ({
      data: kind,
      shape,
      block: blockMs.toFixed(0),
      'JSON.parse and stringify': jsonMs.toFixed(0),
      beyond: (blockMs - jsonMs).toFixed(0),
      'within 50 ms': blockMs - jsonMs <= ALLOWED_MS ? 'yes' : 'no',
    })),
  );
  child.kill();
}

if (process.argv.includes('--serve')) serve();
else void main();
