import fc from 'fast-check';
import { StreamFailure, TruncatedStreamError } from '../../lib/stream/stream-errors';
import { chunkText, cutAt, DONE, readAll, Source } from './fixtures/streams';
import { WIRE_FORMATS } from './fixtures/wires';

/** Every chunk of a stream, parsed line by line. */
const expected = (text: string): unknown[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice(6)) as unknown);

describe.each(WIRE_FORMATS)('a stream of $name', ({ text, answer }) => {
  const bytes = Buffer.from(text);

  it('yields the same chunks and bytes wherever it is cut in two', async () => {
    const whole = JSON.stringify(expected(text));
    for (let at = 0; at <= bytes.length; at++) {
      const read = await readAll(new Source(cutAt(bytes, at)));
      const same = JSON.stringify(read.chunks) === whole && read.text === answer.content;
      if (read.error !== undefined || !same) throw new Error(`cut at ${at}: ${String(read.error)}`);
    }
  });

  it('yields the same chunks byte by byte, with CRLF or CR, and after a byte order mark', async () => {
    for (const form of [text, text.replaceAll('\n', '\r\n'), text.replaceAll('\n', '\r'), `\ufeff${text}`]) {
      const whole = Buffer.from(form);
      const read = await readAll(new Source(cutAt(whole, ...Array.from(whole.keys()))));
      expect(read.error).toBeUndefined();
      expect(read.chunks).toEqual(expected(text));
      expect(expected(read.raw.replace(/\r\n?/g, '\n'))).toEqual(expected(text));
    }
  });

  it('yields its text, everything generated and its usage', async () => {
    const read = await readAll(new Source([bytes]));
    expect(read.text).toBe(answer.content);
    expect(read.generated).toContain(answer.reasoning ?? answer.arguments ?? answer.content);
    expect(read.usage?.completion_tokens).toBe(answer.completionTokens);
    expect(read.malformed).toBe(0);
  });

  it('passes the bytes of its events through', async () => {
    const { raw } = await readAll(new Source([bytes]));
    expect(raw).toBe(
      text
        .replace(/^: .*\n\n/gm, '')
        .replace(/^: .*\n/gm, '')
        .replace(DONE, ''),
    );
  });

  it('fails if it ends at any byte before its finish_reason', async () => {
    const finish = text.search(/"finish_reason":"/);
    // Once the JSON of its event is closed, the finish is known without a blank line; before, it is cut short.
    const lastByte = Buffer.byteLength(text.slice(0, text.indexOf('\n', finish)));
    for (let end = 0; end < lastByte; end++) {
      const { error, events } = await readAll(new Source([bytes.subarray(0, end)]));
      if (!(error instanceof StreamFailure)) throw new Error(`ended at ${end}: ${String(error)}`);
      expect(events.some((event) => event.hasFinishReason)).toBe(false);
      const isBetweenEvents = end === 0 || bytes.toString('latin1', end - 2, end) === '\n\n';
      if (isBetweenEvents) expect(error).toBeInstanceOf(TruncatedStreamError);
    }
  });

  it('is complete with [DONE] in place of its finish_reason if it is text, and truncated if it is a tool call', async () => {
    const cut = text.slice(0, text.lastIndexOf('data:', text.search(/"finish_reason":"/)));
    const { error, events } = await readAll(new Source([cut, DONE]));
    if (answer.arguments !== undefined) expect(error).toBeInstanceOf(TruncatedStreamError);
    else {
      expect(error).toBeUndefined();
      expect(events.at(-1)?.chunk.choices).toEqual([{ index: 0, delta: {}, finish_reason: 'stop' }]);
    }
  });

  it('yields the same chunks with any number of cuts', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 20 }), async (cuts) => {
        const read = await readAll(new Source(cutAt(bytes, ...cuts)));
        expect(read.chunks).toEqual(expected(text));
      }),
      { numRuns: 50 },
    );
  });
});

it('a role, an empty delta and the empty choices of a content filter are not content', async () => {
  const { events } = await readAll(
    new Source([
      'data: {"choices":[],"prompt_filter_results":[]}\n\n',
      chunkText({ role: 'assistant', content: '' }),
      chunkText({ role: 'assistant', content: null, tool_calls: null, refusal: null }),
      chunkText({}),
      chunkText({ content: '' }),
      chunkText({ content: 'x' }),
      chunkText({ reasoning_content: 'x' }),
      chunkText({ reasoning: 'x' }),
      chunkText({ refusal: 'x' }),
      chunkText({ tool_calls: [{ index: 0, function: { arguments: '' } }] }),
      chunkText({}, 'stop'),
      DONE,
    ]),
  );
  expect(events.map((event) => event.hasContent)).toEqual([
    ...[false, false, false, false, false],
    ...[true, true, true, true, true],
    false,
  ]);
});

it('a stream is complete only when every choice that appeared has ended', async () => {
  const half = [chunkText({ content: 'a' }), chunkText({ content: 'b' }, null, 1), chunkText({}, 'stop', 0)];
  expect((await readAll(new Source([...half, DONE]), { choices: 2 })).error).toBeInstanceOf(
    TruncatedStreamError,
  );
  expect((await readAll(new Source(half), { choices: 2 })).error).toBeInstanceOf(TruncatedStreamError);
  const { error } = await readAll(new Source([...half, chunkText({}, 'stop', 1)]), { choices: 2 });
  expect(error).toBeUndefined();
});
