import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import { SseDecoder } from '../../lib/stream/sse/sse-decoder';
import { StreamFailure, TruncatedStreamError } from '../../lib/stream/stream-errors';
import { chunkText, cutAt, DONE, readAll, Source, USAGE_EVENT } from './fixtures/streams';
import { WIRE_FORMATS } from './fixtures/wires';

/** The finish of choice 99 does not complete the other choices, so [DONE] ends most of these streams with an error. */
const isUnreadable = (error: unknown): boolean =>
  error instanceof StreamFailure && !(error instanceof TruncatedStreamError);

const LENIENT = { choices: 0, mayBeEmpty: true };

/** Parses each event fully: the reference that the fast path must agree with. */
async function readEachAlone(events: string[]): Promise<unknown> {
  const chunks: unknown[] = [];
  const facts: unknown[] = [];
  let malformed = 0;
  let isBroken = false;
  for (const event of events) {
    // A reader that has seen no event has no template, so it parses. The finish_reason completes the stream.
    const read = await readAll(new Source([event, chunkText({}, 'stop', 99), DONE]), LENIENT);
    const own = read.events.slice(0, -1);
    if (read.events.at(-1)?.chunk.choices[0]?.index !== 99) own.push(...read.events.slice(-1));
    malformed += read.malformed;
    isBroken = isUnreadable(read.error);
    chunks.push(...own.map(({ chunk }) => chunk));
    facts.push(
      ...own.map(({ hasContent: content, hasFinishReason: finish, usage, text, generated }) => ({
        content,
        finish,
        usage,
        text,
        generated,
      })),
    );
    // An unreadable event that may hold content ends the stream.
    if (isBroken) break;
  }
  return { chunks, facts, malformed, isBroken };
}

async function readTogether(events: string[]): Promise<unknown> {
  const read = await readAll(new Source([...events, chunkText({}, 'stop', 99), DONE]), LENIENT);
  const own = isUnreadable(read.error) ? read.events : read.events.slice(0, -1);
  return {
    chunks: own.map(({ chunk }) => chunk),
    facts: own.map(({ hasContent: content, hasFinishReason: finish, usage, text, generated }) => ({
      content,
      finish,
      usage,
      text,
      generated,
    })),
    malformed: read.malformed,
    isBroken: isUnreadable(read.error),
  };
}

const delta = fc.oneof(
  fc.record({ content: fc.string({ unit: 'binary' }) }),
  fc.record({ content: fc.string({ unit: 'grapheme', maxLength: 40 }) }),
  fc.record({
    content: fc.constantFrom(
      '"',
      '\\',
      '\\"',
      '\n',
      '\u2028',
      '\ud800',
      'x',
      '',
      ' the',
      '"},"finish_reason":"stop"',
    ),
  }),
  fc.record({ content: fc.constant(null), reasoning_content: fc.string() }),
  fc.record({ refusal: fc.string(), content: fc.constant(null) }),
  fc.record({
    tool_calls: fc.tuple(
      fc.record({ index: fc.constant(0), function: fc.record({ arguments: fc.string() }) }),
    ),
  }),
  fc.record({
    tool_calls: fc.tuple(
      fc.record({
        index: fc.constant(0),
        function: fc.record({ name: fc.string(), arguments: fc.string() }),
      }),
    ),
  }),
  fc.record({ content: fc.string(), content_filter_results: fc.constant({}) }),
  fc.record({ content: fc.json().map((text) => JSON.parse(text) as unknown) }),
);

const event = fc
  .record({
    delta,
    index: fc.constantFrom(0, 0, 0, 1),
    created: fc.constantFrom(1, 1, 1, 0, 12345, -1, 1.5, 1e21),
    obfuscation: fc.option(fc.string({ maxLength: 5 }), { nil: undefined }),
    usage: fc.constantFrom(undefined, undefined, null, { prompt_tokens: 1, completion_tokens: 2 }),
  })
  .map(
    ({ delta: added, index, ...rest }) =>
      `data: ${JSON.stringify({ id: 'x', choices: [{ index, delta: added, finish_reason: null }], ...rest })}\n\n`,
  );

/** One byte changed, dropped or put in, anywhere between the first and the last. */
const damaged = fc
  .record({
    text: event,
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    byte: fc.constantFrom('"', '\\', '{', '}', '[', ']', ':', ',', '0', 'u', '\t', '\u0001', ' ', 'x'),
    how: fc.nat(2),
  })
  .map(({ text, at, byte, how }) => {
    const position = 6 + Math.floor(at * (text.length - 9));
    return (
      text.slice(0, position) + (how === 0 ? '' : byte) + text.slice(how === 2 ? position : position + 1)
    );
  });

it('the fast path reads any stream as full parsing does, damaged events included', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof({ weight: 3, arbitrary: event }, { weight: 1, arbitrary: damaged }), {
        minLength: 1,
        maxLength: 12,
      }),
      async (events) => {
        // Damage may turn an event into an error or a finish by chance, which is not tested here.
        fc.pre(events.every((text) => !/"(error|finish_reason)":(?!null)/.test(text)));
        expect(await readTogether(events)).toEqual(await readEachAlone(events));
      },
    ),
    { numRuns: 400 },
  );
});

it('the fast path detects every damage to an event that follows an undamaged one', async () => {
  const sound = chunkText({ content: 'a "b" \\ c\u00e9' });
  for (let at = 6; at <= sound.length - 2; at++) {
    for (const byte of ['', '"', '\\', '}', '\u0002', 'z', '0']) {
      // Inserted, or in place of another byte. The blank line stays, or there would be no event.
      for (const rest of [at, Math.min(at + 1, sound.length - 2)]) {
        const events = [sound, sound.slice(0, at) + byte + sound.slice(rest), sound];
        expect(await readTogether(events)).toEqual(await readEachAlone(events));
      }
    }
  }
});

it('the fast path agrees with JSON.parse on a repeated key', async () => {
  const dead = chunkText({ content: 'dead' }).replace(
    '"logprobs"',
    '"delta":{"role":"assistant"},"logprobs"',
  );
  expect(await readTogether([dead, dead, dead])).toEqual(await readEachAlone([dead, dead, dead]));
});

it('the fast path matches no event that ends the answer, reports usage or repeats a key', async () => {
  const repeated = '"content":"one","content":"two"';
  const events = [
    chunkText({ content: 'one' }),
    chunkText({ content: 'one' }).replace('"content":"one"', repeated),
  ];
  const read = await readAll(
    new Source([...events, ...events, chunkText({ content: 'z' }, 'stop'), USAGE_EVENT, DONE]),
  );
  expect(read.text).toBe('onetwoonetwoz');
  expect(read.usage?.total_tokens).toBe(8);
  expect(read.events.map(({ hasFinishReason: finish }) => finish)).toEqual([
    false,
    false,
    false,
    false,
    true,
    false,
  ]);
});

it('SseDecoder splits bytes into the same events as eventsource-parser', () => {
  const line = fc.oneof(
    fc.constantFrom(
      'data: a',
      'data:b',
      'data',
      'data: ',
      'event: error',
      'id: 7',
      'retry: 10',
      ': comment',
      ':',
      'x: y',
      'data:  é東',
    ),
    fc.constantFrom('', '', ''),
  );
  const ending = fc.constantFrom('\n', '\r\n', '\r');
  fc.assert(
    fc.property(
      fc.array(fc.tuple(line, ending), { maxLength: 20 }),
      fc.array(fc.nat(200)),
      fc.boolean(),
      (lines, cuts, bom) => {
        const text = `${lines.map(([content, end]) => content + end).join('')}data: end\n\n`;
        const truth: unknown[] = [];
        const parser = createParser({ onEvent: ({ event: name, data }) => truth.push([name, data]) });
        parser.feed(text);

        const bytes = Buffer.from((bom ? '\ufeff' : '') + text);
        const decoder = new SseDecoder();
        const frames = cutAt(bytes, ...cuts.map((at) => Math.min(at, bytes.length))).flatMap((piece) =>
          decoder.decode(piece),
        );
        expect([...frames, ...decoder.end()].map((frame) => [frame.event, frame.data])).toEqual(truth);

        // The bytes that are passed through mean the same to the next reader.
        const again: unknown[] = [];
        const next = createParser({ onEvent: ({ event: name, data }) => again.push([name, data]) });
        for (const frame of frames) next.feed(Buffer.from(frame.raw).toString());
        next.feed('\n');
        expect(again).toEqual(truth);
      },
    ),
    { numRuns: 500 },
  );
});

it('a stream is passed through byte for byte, whether its events were parsed or read by the fast path', async () => {
  for (const { text } of WIRE_FORMATS) {
    const plain = text.replace(/^: .*\n\n?/gm, '').replaceAll('\n\ndata: [DONE]\n\n', '\n\n');
    const read = await readAll(
      new Source(cutAt(Buffer.from(text), ...[...text.matchAll(/data/g)].map(({ index }) => index))),
    );
    expect(read.raw).toBe(plain);
  }
});
