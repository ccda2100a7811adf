import { Readable } from 'node:stream';
import { inspect } from 'node:util';
import { readChatEvents } from '../../lib/stream/chat-event-reader';
import {
  EventTooLargeError,
  StreamFailure,
  TruncatedStreamError,
  UpstreamStreamError,
} from '../../lib/stream/stream-errors';
import { chunkText, DONE, OPTIONS, readAll, Source, USAGE_EVENT } from './fixtures/streams';

const HELLO = chunkText({ content: 'Hello' });
const FINISH = chunkText({}, 'stop');
const ERROR =
  'data: {"error":{"message":"The server had an error about SECRET","type":"server_error","code":null}}\n\n';

describe('reading a stream with faults', () => {
  it('skips and counts events that are not JSON or not a chunk', async () => {
    const read = await readAll(
      new Source([
        HELLO,
        'data: {"choices":[{\n\n',
        'data: nonsense\n\n',
        'data: {"type":"ping"}\n\n',
        'data: 7\n\n',
        'data: {"choices":[null]}\n\n',
        FINISH,
        DONE,
      ]),
    );
    expect(read.error).toBeUndefined();
    expect(read.chunks).toHaveLength(2);
    expect(read.malformed).toBe(5);
  });

  it('does not count comments, blank lines and empty data as events', async () => {
    const read = await readAll(
      new Source([': ping\n\n', '\n\n\n', 'data:\n\n', 'data: \n\n', HELLO, ':\n\n', FINISH, DONE]),
    );
    expect(read.events).toHaveLength(2);
    expect(read.malformed).toBe(0);
  });

  it.each([
    ['an error object', ERROR, 'server'],
    ['an event named error', `event: error\n${ERROR}`, 'server'],
    ['an event named error that is not JSON', 'event: error\ndata: overloaded\n\n', 'server'],
    [
      'an error beside choices',
      'data: {"error":{"code":502,"message":"x"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}\n\n',
      'server',
    ],
    ["object 'error'", 'data: {"object":"error","message":"x","code":503}\n\n', 'server'],
    [
      'an error in a list',
      'data: [{"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}]\n\n',
      'server',
    ],
  ])('throws an error with the failure class of %s', async (_, event, expected) => {
    const source = new Source([HELLO, event, FINISH, DONE], 'hold');
    const { error, events } = await readAll(source);
    expect(error).toBeInstanceOf(UpstreamStreamError);
    expect((error as UpstreamStreamError).detail.class).toBe(expected);
    expect(events).toHaveLength(1);
    expect(source.returned).toBe(1);
  });

  it.each([
    [
      'the request alone exceeds the limit',
      'Request too large for m: Limit 7000, Requested 12903',
      429,
      'too_large',
    ],
    ['the prompt is too long', "This model's maximum context length is 4096 tokens", 400, 'context_window'],
    ['the request is invalid', 'Invalid request', 400, 'bad_request'],
  ])(
    'believes an error event that says that %s only before the first content',
    async (_, message, code, expected) => {
      const event = `data: ${JSON.stringify({ error: { message, code } })}\n\n`;
      const classOf = async (...events: string[]) => {
        const { error } = await readAll(new Source(events, 'hold'));
        return (error as UpstreamStreamError).detail.class;
      };
      expect(await classOf(event)).toBe(expected);
      expect(await classOf(HELLO, event)).toBe('server');
    },
  );

  it('keeps the error message of the upstream out of logs', async () => {
    const { error } = await readAll(new Source([ERROR]));
    const shown = JSON.stringify(error) + inspect(error, { showHidden: true, depth: 9 }) + String(error);
    expect(shown).not.toContain('SECRET');
  });

  it('ignores an error that is null', async () => {
    const { error } = await readAll(new Source([HELLO.replace('{"id"', '{"error":null,"id"'), FINISH, DONE]));
    expect(error).toBeUndefined();
  });

  it('passes on what the source throws and closes it', async () => {
    const reset = Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
    const source = new Source([HELLO, reset]);
    expect((await readAll(source)).error).toBe(reset);
    expect(source.returned).toBe(1);
  });

  it('throws for an event that is too large, however small its pieces are', async () => {
    const source = new Source(
      Array.from({ length: 100 }, () => 'data: 89'),
      'hold',
    );
    expect((await readAll(source, { maxEventBytes: 100 })).error).toBeInstanceOf(EventTooLargeError);
    expect(source.pulled).toBeLessThan(15);
    expect((await readAll(new Source([HELLO]), { maxEventBytes: 100 })).error).toBeInstanceOf(
      EventTooLargeError,
    );
  });

  it('throws TruncatedStreamError for a stream that is empty or only says [DONE]', async () => {
    expect((await readAll(new Source([]))).error).toBeInstanceOf(TruncatedStreamError);
    expect((await readAll(new Source([DONE]))).error).toBeInstanceOf(TruncatedStreamError);
  });
});

describe('reading a stream that is complete', () => {
  it('reads a last event that has no blank line', async () => {
    const read = await readAll(new Source([HELLO, FINISH.trimEnd()]));
    expect(read.error).toBeUndefined();
    expect(read.raw).toBe(HELLO + FINISH);
  });

  it('ends without an error when the connection is reset or an error event follows', async () => {
    expect((await readAll(new Source([HELLO, FINISH, new Error('reset')]))).error).toBeUndefined();
    expect((await readAll(new Source([HELLO, FINISH, ERROR]))).error).toBeUndefined();
  });

  it('passes on events after the finish_reason', async () => {
    const late = 'data: {"choices":[{"index":0,"finish_reason":null,"content_filter_offsets":{}}]}\n\n';
    const read = await readAll(new Source([HELLO, FINISH, late, USAGE_EVENT, DONE]));
    expect(read.chunks).toHaveLength(4);
    expect(read.usage?.total_tokens).toBe(8);
  });

  it('reads nothing after [DONE]', async () => {
    const read = await readAll(new Source([HELLO + FINISH + DONE + HELLO, HELLO]));
    expect(read.text).toBe('Hello');
  });

  it('marks as hidden only the usage event that the caller did not ask for', async () => {
    const pieces = [HELLO, FINISH, USAGE_EVENT, DONE];
    const hidden = await readAll(new Source(pieces), { hideUsage: true });
    expect(hidden.events.map((event) => event.isHidden)).toEqual([false, false, true]);
    expect(hidden.usage?.completion_tokens).toBe(3);
    const shown = await readAll(new Source(pieces), { hideUsage: false });
    expect(shown.events.map((event) => event.isHidden)).toEqual([false, false, false]);
  });
});

describe('a stream whose connection stays open after the answer', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  async function endAfter(pieces: string[], options = {}): Promise<number> {
    const source = new Source(pieces, 'hold');
    const startedAt = performance.now();
    let endedAt = -1;
    const reading = readAll(source, options).then((read) => {
      endedAt = performance.now() - startedAt;
      expect(read.error).toBeUndefined();
    });
    await jest.advanceTimersByTimeAsync(5000);
    await reading;
    expect(source.returned).toBe(1);
    return endedAt;
  }

  it('ends within a second of its finish_reason and usage', async () => {
    const ms = await endAfter([HELLO, FINISH, USAGE_EVENT]);
    expect(ms).toBeGreaterThan(0);
    expect(ms).toBeLessThanOrEqual(1001);
  });

  it('ends after the grace period if usage never arrives, whether or not it was requested', async () => {
    expect(await endAfter([HELLO, FINISH], { expectUsage: true, graceMs: 300 })).toBeCloseTo(300, -1);
    expect(await endAfter([HELLO, FINISH], { expectUsage: false })).toBeCloseTo(250, -1);
  });

  it('ends although comments keep coming', async () => {
    async function* endlessComments(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(HELLO + FINISH);
      for (;;) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        yield Buffer.from(': ping\n\n');
      }
    }
    const reading = readAll(endlessComments());
    await jest.advanceTimersByTimeAsync(1200);
    expect((await reading).error).toBeUndefined();
  });

  it('ends at [DONE] at once, and closes a source that stays open', async () => {
    const source = new Source([HELLO, FINISH, DONE], 'hold');
    expect((await readAll(source)).error).toBeUndefined();
    expect(source.returned).toBe(0);
    await jest.advanceTimersByTimeAsync(1001);
    expect(source.returned).toBe(1);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('does not end before the finish_reason, however long the upstream is silent', async () => {
    let settled = false;
    const events = readChatEvents(new Source([HELLO], 'hold'), OPTIONS);
    await events.next();
    void events.next().then(() => (settled = true));
    await jest.advanceTimersByTimeAsync(60_000);
    expect(settled).toBe(false);
    await events.return?.();
  });

  it('does not count the time that a slow reader takes as grace period', async () => {
    const events = readChatEvents(new Source([HELLO, FINISH, USAGE_EVENT, DONE]), OPTIONS);
    await events.next();
    expect((await events.next()).value).toMatchObject({ hasFinishReason: true });
    await jest.advanceTimersByTimeAsync(10_000);
    expect((await events.next()).value).toMatchObject({ usage: { total_tokens: 8 } });
    expect((await events.next()).done).toBe(true);
  });
});

describe('the reader of a stream', () => {
  it('reads from the source only when an event is requested', async () => {
    const source = new Source([HELLO, HELLO + HELLO, FINISH, DONE]);
    const events = readChatEvents(source, OPTIONS);
    expect(source.pulled).toBe(0);
    await events.next();
    expect(source.pulled).toBe(1);
    await events.next();
    await events.next();
    expect(source.pulled).toBe(2);
  });

  it('closes the source when it leaves', async () => {
    const source = new Source([HELLO, HELLO, FINISH], 'hold');
    for await (const _ of readChatEvents(source, OPTIONS)) break;
    expect(source.returned).toBe(1);
    expect(source.pulled).toBe(1);
  });

  it('closes a Readable even while a read is pending', async () => {
    const source = new Readable({ read: () => undefined });
    const events = readChatEvents(source, OPTIONS);
    const pending = events.next();
    await events.return?.();
    expect(source.destroyed).toBe(true);
    expect((await pending).done).toBe(true);
  });

  it('delivers nothing that arrives after it has left', async () => {
    let arrive: (result: IteratorResult<Uint8Array>) => void = () => undefined;
    const next = () => new Promise<IteratorResult<Uint8Array>>((resolve) => (arrive = resolve));
    const events = readChatEvents({ [Symbol.asyncIterator]: () => ({ next }) }, OPTIONS);
    const pending = events.next();
    await events.return?.();
    arrive({ done: false, value: Buffer.from(HELLO) });
    expect((await pending).done).toBe(true);
  });

  it('returns events in order when several are requested at once', async () => {
    const events = readChatEvents(new Source([HELLO, chunkText({ content: '!' }), FINISH, DONE]), OPTIONS);
    const results = await Promise.all([events.next(), events.next(), events.next(), events.next()]);
    expect(results.map(({ value, done }) => (done ? 'end' : value.text))).toEqual(['Hello', '!', '', 'end']);
  });
});

describe('reading a stream with unusual but valid parts', () => {
  const DEEP = JSON.parse(`${'[{"a":'.repeat(12)}"text"${'}]'.repeat(12)}`) as unknown;

  it.each<[string, string[], string]>([
    ['a last [DONE] without a blank line', [HELLO, FINISH, 'data: [DONE]'], 'Hello'],
    [
      'events that nest deeply',
      ['One ', 'two'].map((content) => chunkText({ content, extra: DEEP })).concat(FINISH, DONE),
      'One two',
    ],
    [
      'usage in an event that is not a chunk',
      [HELLO, FINISH, 'data: {"usage":{"prompt_tokens":5,"completion_tokens":3}}\n\n', DONE],
      'Hello',
    ],
  ])('reads %s', async (_what, pieces, text) => {
    const { error, malformed, ...read } = await readAll(
      new Source(pieces.map((each) => new TextEncoder().encode(each))),
    );
    expect([error, malformed]).toEqual([undefined, 0]);
    expect(read.text).toBe(text);
    expect(read.usage?.total_tokens).toBe(pieces.some((each) => each.includes('usage')) ? 8 : undefined);
  });

  it('throws if the upstream is done after one empty choice of two', async () => {
    const { error } = await readAll(new Source([FINISH, DONE]), { choices: 2 });
    expect(error).toBeInstanceOf(TruncatedStreamError);
  });
});

describe('a stream that a dialect translates', () => {
  const dialectChunks = async function* (events: AsyncIterable<{ data: string }>): AsyncGenerator<never> {
    for await (const { data } of events) yield (JSON.parse(data) as { as: never }).as;
  };
  const wire = (text: string): string => `data: {"as":${/data: (.*)/.exec(text)?.[1] ?? ''}}\n\n`;

  it('yields the chunks of the dialect, which have no raw bytes', async () => {
    const read = await readAll(
      new Source([wire(HELLO), 'data: broken\n\n', wire(FINISH), wire(USAGE_EVENT)]),
      { dialectChunks, hideUsage: true },
    );
    expect(read.error).toBeUndefined();
    expect(read.text).toBe('Hello');
    expect(read.usage?.total_tokens).toBe(8);
    expect(read.malformed).toBe(1);
    expect(read.events.map(({ raw, isHidden: hidden }) => [raw, hidden])).toEqual([
      [undefined, false],
      [undefined, false],
      [undefined, true],
    ]);
  });

  it('ends at [DONE], and skips what the dialect yields that is not a chunk', async () => {
    const source = new Source([wire(HELLO), wire('data: 7'), wire(FINISH), DONE, wire(HELLO)]);
    const read = await readAll(source, { dialectChunks });
    expect(read.error).toBeUndefined();
    expect([read.text, read.chunks.length]).toEqual(['Hello', 2]);
  });

  it('throws when an event is cut short, because it may hold a part of the answer', async () => {
    const source = new Source([wire(HELLO), 'data: {"a\n\n', wire(FINISH)]);
    expect((await readAll(source, { dialectChunks })).error).toBeInstanceOf(StreamFailure);
  });

  it('throws if it is truncated or fails, and closes the source when the reader leaves, like any other stream', async () => {
    expect((await readAll(new Source([wire(HELLO)]), { dialectChunks })).error).toBeInstanceOf(
      TruncatedStreamError,
    );
    const failing = new Source(
      [wire(HELLO), 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"}}\n\n'],
      'hold',
    );
    expect((await readAll(failing, { dialectChunks })).error).toBeInstanceOf(UpstreamStreamError);
    expect(failing.returned).toBe(1);
    const left = new Source([wire(HELLO)], 'hold');
    for await (const _ of readChatEvents(left, { ...OPTIONS, dialectChunks })) break;
    expect(left.returned).toBe(1);
  });
});
