import { Readable } from 'node:stream';
import { type AxiosAdapter, AxiosError, AxiosHeaders, type InternalAxiosRequestConfig } from 'axios';
import type { Random } from '../../lib/simulator/behavior';

const CHUNK = { id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm' };
const USAGE = { prompt_tokens: 12, completion_tokens: 8, total_tokens: 20 };
const WHOLE = JSON.stringify({
  ...CHUNK,
  object: 'chat.completion',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hello' } }],
  usage: USAGE,
});
const LIST = JSON.stringify({
  object: 'list',
  model: 'm',
  data: [{ object: 'embedding', index: 0, embedding: [0.1] }],
  usage: { prompt_tokens: 4, total_tokens: 4 },
});

type Kind = 'answer' | 'reset' | 'silence' | 'cut' | 'stall' | 'html' | number;
/** Percentages; the remaining calls are answered. */
const FAULTS: readonly [Kind, number][] = [
  ['reset', 3],
  ['silence', 0.5],
  ['cut', 2],
  ['stall', 0.5],
  ['html', 1],
  [400, 1],
  [429, 3],
  [500, 3],
  [529, 1],
];

/** Counters of all upstreams. */
export interface UpstreamCounters {
  attempts: number;
  aborted: number;
  /** Requests neither answered nor aborted so far. */
  open: number;
  readonly kinds: Record<string, number>;
}

/** An axios adapter for providers that fail at random, and all at once for three seconds of every minute. */
export function faultyUpstream(random: Random): { adapter: AxiosAdapter; seen: UpstreamCounters } {
  const seen: UpstreamCounters = { attempts: 0, aborted: 0, open: 0, kinds: {} };
  const adapter: AxiosAdapter = (config) =>
    new Promise((resolve, reject) => {
      const isOut = performance.now() % 60_000 > 57_000;
      const kind = isOut ? 503 : draw(random);
      seen.attempts++;
      seen.open++;
      seen.kinds[kind] = (seen.kinds[kind] ?? 0) + 1;
      const body = new Readable({ read: () => undefined });
      const timers = new Set<ReturnType<typeof setTimeout>>();
      const signal = config.signal as AbortSignal | undefined;
      let done = false;
      const finish = (): void => {
        if (done) return;
        done = true;
        seen.open--;
        for (const timer of timers) clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
      const after = (ms: number, act: () => void): void => {
        timers.add(setTimeout(act, ms));
      };
      const onAbort = (): void => {
        if (!done) seen.aborted++;
        finish();
        body.destroy();
        reject(new AxiosError('canceled', AxiosError.ERR_CANCELED, config));
      };
      if (signal?.aborted) {
        onAbort();
        return;
      }
      signal?.addEventListener('abort', onAbort, { once: true });
      const head = (status: number, type: string, headers: Record<string, string> = {}): void =>
        resolve({
          status,
          statusText: '',
          headers: new AxiosHeaders({ ...headers, 'content-type': type }),
          data: body,
          config,
        });
      const end = (text?: string): void => {
        if (text !== undefined) body.push(text);
        body.push(null);
        finish();
      };
      const cut = (): void => {
        body.destroy(new Error('aborted'));
        finish();
      };
      after(5 + random() * 40, () =>
        respond({ kind, config, head, end, cut, after, body, random, reject, finish }),
      );
    });
  return { adapter, seen };
}

interface UpstreamExchange {
  readonly kind: Kind;
  readonly config: InternalAxiosRequestConfig;
  readonly body: Readable;
  readonly random: Random;
  head(status: number, type: string, headers?: Record<string, string>): void;
  end(text?: string): void;
  cut(): void;
  after(ms: number, act: () => void): void;
  reject(error: Error): void;
  finish(): void;
}

function respond(stage: UpstreamExchange): void {
  const { kind, config, head, end, reject, finish } = stage;
  const asked = JSON.parse(String(config.data)) as { stream?: boolean; input?: unknown };
  if (kind === 'silence') return;
  if (kind === 'reset') {
    finish();
    reject(new AxiosError('socket hang up', 'ECONNRESET', config));
  } else if (kind === 'html') {
    head(200, 'text/html');
    end('<html>502 Bad Gateway</html>');
  } else if (typeof kind === 'number') {
    head(kind, 'application/json', kind === 429 ? { 'retry-after-ms': '200' } : {});
    end(JSON.stringify({ error: { message: `status ${kind}`, type: 'error', code: null } }));
  } else if (asked.stream === true) respondStream(stage);
  else respondWhole(stage, asked.input === undefined ? WHOLE : LIST);
}

function respondWhole({ kind, head, end, cut, body }: UpstreamExchange, text: string): void {
  head(200, 'application/json');
  if (kind === 'answer') end(text);
  else {
    body.push(text.slice(0, 20));
    if (kind === 'cut') setImmediate(cut);
  }
}

function respondStream({ kind, head, end, cut, after, body, random }: UpstreamExchange): void {
  head(200, 'text/event-stream');
  const parts = 2 + Math.floor(random() * 5);
  const broken = kind === 'answer' ? Infinity : Math.floor(random() * parts);
  const step = (n: number): void => {
    if (n === broken) {
      if (kind === 'cut') setImmediate(cut);
      return;
    }
    if (n < parts) {
      body.push(event({ choices: [{ index: 0, delta: { content: 'word ' }, finish_reason: null }] }));
      after(5 + random() * 10, () => step(n + 1));
      return;
    }
    body.push(event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }));
    body.push(event({ choices: [], usage: USAGE }));
    end('data: [DONE]\n\n');
  };
  step(0);
}

function event(data: object): string {
  return `data: ${JSON.stringify({ ...CHUNK, ...data })}\n\n`;
}

function draw(random: Random): Kind {
  let at = random() * 100;
  for (const [kind, share] of FAULTS) {
    at -= share;
    if (at < 0) return kind;
  }
  return 'answer';
}
