/** Opens as many streams as are asked for, takes the first event of each, waits for the second, and reports its memory. */
import { setTimeout as sleep } from 'node:timers/promises';

type Open = () => Promise<AsyncIterable<unknown>>;

const KEY = 'sk-bench-0123456789';
const BODY = {
  model: 'gpt-4o-mini',
  messages: [{ role: 'user' as const, content: 'Where is my parcel? It should have come on Tuesday.' }],
  stream: true as const,
};
/** Opened at the same time; more would measure the accept queue of the provider. */
const OPENED_TOGETHER = 50;
const DAY_MS = 86_400_000;

const CLIENTS: Readonly<Record<string, (origin: string) => Promise<Open>>> = {
  async undici(origin) {
    const { Pool } = await import('undici');
    const pool = new Pool(origin, { headersTimeout: 0, bodyTimeout: 0 });
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${KEY}` };
    return async () =>
      (
        await pool.request({
          path: '/v1/chat/completions',
          method: 'POST',
          headers,
          body: JSON.stringify(BODY),
        })
      ).body;
  },
  async 'openai SDK'(origin) {
    const { default: OpenAI } = await import('openai');
    const client = new OpenAI({ apiKey: KEY, baseURL: `${origin}/v1`, timeout: DAY_MS });
    return () => client.chat.completions.create(BODY);
  },
  async 'this package'(origin) {
    const { createBalancer } = await import('../../lib');
    const balancer = createBalancer({
      logger: false,
      timeouts: { totalMs: DAY_MS, stallMs: DAY_MS },
      endpoints: [
        {
          name: 'a',
          model: 'gpt-4o-mini',
          apiKey: KEY,
          baseURL: `${origin}/v1`,
          rpm: 10_000_000,
          tpm: 10_000_000_000,
        },
      ],
    });
    await balancer.ready();
    return () => balancer.chat(BODY);
  },
};

const waiting: Promise<unknown>[] = [];

async function openOne(open: Open): Promise<void> {
  const events = (await open())[Symbol.asyncIterator]();
  await events.next();
  waiting.push(events.next());
}

async function main([name = '', origin = '']: string[]): Promise<void> {
  const open = await CLIENTS[name]?.(origin);
  if (!open) throw new TypeError(`no client is named '${name}'`);
  process.on('message', (streams: number) => {
    void (async () => {
      while (waiting.length < streams)
        await Promise.all(
          Array.from({ length: Math.min(OPENED_TOGETHER, streams - waiting.length) }, () => openOne(open)),
        );
      for (let pass = 0; pass < 3; pass++) {
        await sleep(300);
        globalThis.gc?.();
      }
      const { rss, heapUsed } = process.memoryUsage();
      process.send?.({ rssBytes: rss, heapBytes: heapUsed });
    })();
  });
  process.send?.({ port: 0 });
}

void main(process.argv.slice(2));
