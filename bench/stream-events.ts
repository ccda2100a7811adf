/**
 * CPU time per streamed event: passed through as bytes, compared with parsed and serialized again.
 *
 * Both sides read the same bytes from an async iterable, extract content, finish reason and usage, keep the text, and
 * return the bytes of every event. `npx tsx bench/stream-events.ts`
 */
import { createParser } from 'eventsource-parser';
import type { ChatCompletionChunk } from '../lib/call/answer';
import { readChatEvents } from '../lib/stream/chat-event-reader';
import { UsageMeter } from '../lib/stream/usage-meter';
import { median } from './statistics';

const EVENTS = 400;
const STREAMS = 25;
const ROUNDS = 11;

interface Wire {
  readonly name: string;
  event(text: string, position: number): object;
}

const base = (created: number): object => ({
  id: 'chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG',
  object: 'chat.completion.chunk',
  created,
  model: 'gpt-4o-mini-2024-07-18',
});

const WIRES: Wire[] = [
  {
    name: 'OpenAI',
    event: (text) => ({
      ...base(1741570283),
      service_tier: 'default',
      system_fingerprint: 'fp_fc9f1d7035',
      choices: [{ index: 0, delta: { content: text }, logprobs: null, finish_reason: null }],
    }),
  },
  {
    name: 'OpenAI, with usage, obfuscated',
    event: (text, position) => ({
      ...base(1741570283),
      service_tier: 'default',
      system_fingerprint: 'fp_fc9f1d7035',
      choices: [{ index: 0, delta: { content: text }, logprobs: null, finish_reason: null }],
      usage: null,
      obfuscation: 'aB3dE5gH7jK9mN1p'.slice(position % 16),
    }),
  },
  {
    name: 'DeepSeek reasoning',
    event: (text) => ({
      ...base(1741570283),
      choices: [{ index: 0, delta: { content: null, reasoning_content: text }, finish_reason: null }],
    }),
  },
  {
    name: 'Azure, filter results',
    event: (text) => ({
      ...base(1741570283),
      choices: [
        {
          content_filter_results: {
            hate: { filtered: false, severity: 'safe' },
            self_harm: { filtered: false, severity: 'safe' },
            sexual: { filtered: false, severity: 'safe' },
            violence: { filtered: false, severity: 'safe' },
          },
          delta: { content: text },
          finish_reason: null,
          index: 0,
          logprobs: null,
        },
      ],
    }),
  },
];

type Cut = (typeof CUTS)[number];
const CUTS = ['one event per chunk', 'cut anywhere', '16 KiB chunks'] as const;

const WORDS = [' the', ' answer', '\n', ' größer', ' is', ' "quoted"', ' balance', ',', ' 東京', ' and'];

function bytesOf(wire: Wire): Buffer {
  const events: string[] = [];
  for (let i = 0; i < EVENTS; i++) events.push(JSON.stringify(wire.event(WORDS[i % WORDS.length]!, i)));
  events.push(JSON.stringify({ ...base(1), choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }));
  events.push('[DONE]');
  return Buffer.from(events.map((event) => `data: ${event}\n\n`).join(''));
}

function cut(bytes: Buffer, how: Cut): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end =
      how === 'one event per chunk'
        ? bytes.indexOf('\n\n', at) + 2
        : at + (how === 'cut anywhere' ? 317 : 16384);
    chunks.push(bytes.subarray(at, end));
    at = end;
  }
  return chunks;
}

async function* arriving(chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield await Promise.resolve(chunk);
}

async function passThrough(source: AsyncIterable<Uint8Array>): Promise<number> {
  const meter = new UsageMeter({ promptTokens: 1, estimateTokens: (text) => text.length / 4 });
  let written = 0;
  for await (const event of readChatEvents(source, { expectUsage: false, choices: 1, hideUsage: true })) {
    meter.add(event);
    if (event.raw) written += event.raw.length;
  }
  return written;
}

async function parseAndWrite(source: AsyncIterable<Uint8Array>): Promise<number> {
  let written = 0;
  let finished = false;
  const texts: string[] = [];
  for await (const chunk of parsed(source)) {
    const choice = chunk.choices[0];
    if (choice?.delta.content) texts.push(choice.delta.content);
    finished ||= typeof choice?.finish_reason === 'string';
    written += Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`).length;
  }
  if (!finished) throw new Error('cut short');
  return written;
}

async function* parsed(source: AsyncIterable<Uint8Array>): AsyncGenerator<ChatCompletionChunk> {
  const ready: ChatCompletionChunk[] = [];
  const parser = createParser({
    onEvent: ({ data }) => data !== '[DONE]' && ready.push(JSON.parse(data) as ChatCompletionChunk),
  });
  const decoder = new TextDecoder();
  for await (const bytes of source) {
    parser.feed(decoder.decode(bytes, { stream: true }));
    yield* ready.splice(0);
  }
}

async function cpuPerEvent(run: () => Promise<number>): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < STREAMS; i++) await run();
  const used = process.cpuUsage(before);
  return (used.user + used.system) / (STREAMS * EVENTS);
}

async function main(): Promise<void> {
  console.log('CPU time per streamed event in microseconds, median of %d rounds', ROUNDS);
  for (const wire of WIRES) {
    const bytes = bytesOf(wire);
    for (const how of CUTS) {
      const chunks = cut(bytes, how);
      const passed: number[] = [];
      const written: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        passed.push(await cpuPerEvent(() => passThrough(arriving(chunks))));
        written.push(await cpuPerEvent(() => parseAndWrite(arriving(chunks))));
      }
      const [a, b] = [median(passed), median(written)];
      const line = `${wire.name}, ${how}`.padEnd(56);
      console.log(`${line} passed ${a.toFixed(2)}  rewritten ${b.toFixed(2)}  ratio ${(a / b).toFixed(2)}`);
    }
  }
}

void main();
