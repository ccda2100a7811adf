import type { Hooks, TextWindow } from 'express-ai-balancer';
import fc from 'fast-check';
import type { ChatCompletionChunk } from '../../lib/call/answer';
import type { Call } from '../../lib/call/call';
import type { Hooks as AnyHooks } from '../../lib/hooks/options';
import { TextGuard } from '../../lib/hooks/text-guard';
import { type ChatEvent, ParsedChatEvent } from '../../lib/stream/chat-event';
import {
  answer,
  chatText,
  endStream,
  event,
  type Responder,
  Rig,
  rejection,
  statsOf,
} from '../failover/upstream';

const rig = new Rig();

const streamed =
  (...parts: string[]): Responder =>
  (arrival) => {
    arrival.res.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const content of parts)
      arrival.res.write(event({ choices: [{ index: 0, delta: { content }, finish_reason: null }] }));
    endStream(arrival);
  };

describe('hooks.text', () => {
  it('gets the text in windows of at least windowChars, of which the last one is marked', async () => {
    const windows: TextWindow[] = [];
    const text: Hooks['text'] = (_call, window) => void windows.push(window);
    const { balancer } = await rig.start(
      { a: streamed('abc', 'def', 'gh', 'i') },
      { hooks: { text, windowChars: 5 } },
    );
    expect((await chatText(balancer, true)).text).toBe('abcdefghi');
    expect(windows).toEqual([
      { text: 'abcdef', choice: 0, isLast: false },
      { text: 'ghi', choice: 0, isLast: true },
    ]);
  });

  it('can stop the stream before more is sent, which does not count as a failure of the endpoint', async () => {
    const text: Hooks['text'] = (_call, window) =>
      window.text.includes('secret') ? { refuse: { message: 'Stopped.' } } : undefined;
    const { balancer } = await rig.start(
      { a: streamed('fine ', 'secret', ' more') },
      { hooks: { text, windowChars: 1 } },
    );
    let got = '';
    const reading = (async () => {
      const stream = await balancer.chat({
        model: 'm',
        messages: [{ role: 'user', content: 'x' }],
        stream: true,
      });
      for await (const chunk of stream) got += chunk.choices[0]?.delta.content ?? '';
    })();
    expect(await rejection(reading)).toMatchObject({ code: 'ERR_AI_CONTENT_POLICY', message: 'Stopped.' });
    expect(got).toBe('fine ');
    expect(balancer.stats().calls).toMatchObject({ ok: 0, failed: 1 });
    expect(statsOf(balancer, 'a')).toMatchObject({ inFlight: 0, failures: 0 });
  });

  it('can replace text, and hold back text that may continue in the next window', async () => {
    const text: Hooks['text'] = (_call, { text: seen, isLast }) => {
      const replaced = seen.replaceAll('<NAME>', 'Ada');
      const open = isLast ? -1 : replaced.lastIndexOf('<');
      return { text: replaced, hold: open === -1 ? 0 : replaced.length - open };
    };
    const { balancer } = await rig.start(
      { a: streamed('Dear <NA', 'ME>, hello <', 'NAME>') },
      { hooks: { text, windowChars: 1 } },
    );
    expect((await chatText(balancer, true)).text).toBe('Dear Ada, hello Ada');
  });

  it('gets the text from the beginning after a restart, without text that was held back before', async () => {
    const windows: string[] = [];
    const text: Hooks['text'] = (_call, window) => void windows.push(window.text);
    const cut: Responder = (arrival) => {
      arrival.res.writeHead(200, { 'content-type': 'text/event-stream' });
      arrival.res.write(
        event({ choices: [{ index: 0, delta: { content: 'half' }, finish_reason: null }] }),
        () => setTimeout(() => arrival.res.destroy(), 20),
      );
    };
    const { balancer } = await rig.start(
      { a: cut, b: answer('whole') },
      { hooks: { text, windowChars: 100 }, stream: { recovery: 'restart' } },
    );
    expect((await chatText(balancer, true)).text).toBe('whole');
    expect(windows).toEqual(['whole']);
  });
});

const chunk = (choices: object[]): ChatEvent =>
  new ParsedChatEvent(
    { id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', choices } as ChatCompletionChunk,
    false,
  );

async function* of(events: readonly ChatEvent[]): AsyncGenerator<ChatEvent> {
  for (const each of events) yield await Promise.resolve(each);
}

const CALL = { operation: 'chat', body: {}, stream: true, context: { requestId: 'r' } } as unknown as Call;

function guard(hooks: Partial<AnyHooks>): TextGuard {
  const defaults = { name: 'h', windowChars: 10, timeoutMs: 1_000, onFailure: 'closed' as const };
  return new TextGuard([{ ...defaults, ...hooks }], CALL, () => undefined);
}

async function textsOf(events: AsyncIterable<ChatEvent>): Promise<Record<number, string>> {
  const texts: Record<number, string> = {};
  for await (const { chunk: sent } of events)
    for (const { index, delta } of sent.choices) texts[index] = (texts[index] ?? '') + (delta.content ?? '');
  return texts;
}

describe('The windows of hooks.text (property)', () => {
  const piece = fc.record({ index: fc.nat(2), content: fc.string({ maxLength: 12 }) });
  const stream = fc.record({
    pieces: fc.array(piece, { maxLength: 30 }),
    windowChars: fc.integer({ min: 1, max: 40 }),
  });
  const eventsOf = (pieces: readonly { index: number; content: string }[]): ChatEvent[] => [
    ...pieces.map(({ index, content }) => chunk([{ index, delta: { content }, finish_reason: null }])),
    ...[0, 1, 2].map((index) => chunk([{ index, delta: {}, finish_reason: 'stop' }])),
  ];
  const wholeOf = (pieces: readonly { index: number; content: string }[], choice: number): string =>
    pieces.map(({ index, content }) => (index === choice ? content : '')).join('');

  it('contain all text of each choice exactly once, however much is held back', async () => {
    await fc.assert(
      fc.asyncProperty(stream, fc.nat(8), async ({ pieces, windowChars }, hold) => {
        const text: AnyHooks['text'] = (_call, window) => ({ text: window.text, hold });
        const sent = await textsOf(
          guard({ text, windowChars }).events(of(eventsOf(pieces)), () => undefined),
        );
        for (const choice of [0, 1, 2]) expect(sent[choice] ?? '').toBe(wholeOf(pieces, choice));
      }),
    );
  });

  it('are the only text that reaches the reader, which gets none if the hook empties every window', async () => {
    await fc.assert(
      fc.asyncProperty(stream, async ({ pieces, windowChars }) => {
        const sent = await textsOf(
          guard({ text: () => ({ text: '' }), windowChars }).events(of(eventsOf(pieces)), () => undefined),
        );
        for (const choice of [0, 1, 2]) expect(sent[choice] ?? '').toBe('');
      }),
    );
  });
});
