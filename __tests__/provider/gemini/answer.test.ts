import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import type { ChatCompletion } from '../../../lib/call/answer';
import { geminiDialect } from '../../../lib/provider/gemini/gemini-dialect';
import { StreamFailure, TruncatedStreamError } from '../../../lib/stream/stream-errors';
import { cutAt } from '../../stream/fixtures/streams';
import { ask } from '../fixtures/conversation';
import { comparable, readStream } from '../fixtures/read-stream';
import { BLOCKED_ANSWER, TEXT_ANSWER, TEXT_EVENTS, TOOL_ANSWER, TOOL_EVENTS, toSse } from './fixtures';

const whole = (answer: object) =>
  geminiDialect.answer({ status: 200, headers: {}, body: JSON.stringify(answer) }, ask()) as ChatCompletion;

describe('An answer of the Gemini dialect', () => {
  it('is translated to a chat completion with text, thoughts and usage, including cached and reasoning tokens', () => {
    expect(whole(TEXT_ANSWER)).toEqual({
      id: 'Xl1TaLPMOoGSmtkP0K2ZoQU',
      object: 'chat.completion',
      created: expect.any(Number) as number,
      model: 'gemini-3-pro-preview',
      choices: [
        {
          index: 0,
          finish_reason: 'stop',
          logprobs: null,
          message: {
            role: 'assistant',
            content: 'It is sunny in Lyon: 24 °C.',
            refusal: null,
            reasoning_content: 'The user asks for the weather.',
            extra_content: { google: { thought_signature: 'CiIBtXG9' } },
          },
        },
      ],
      usage: {
        prompt_tokens: 2000,
        completion_tokens: 90,
        total_tokens: 2090,
        prompt_tokens_details: { cached_tokens: 1500 },
        completion_tokens_details: { reasoning_tokens: 30 },
      },
    });
  });

  it('contains tool calls with their thought signature', () => {
    expect(whole(TOOL_ANSWER).choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: {
        content: 'I look both up.',
        tool_calls: [
          {
            id: 'a1b2c3d4',
            type: 'function',
            function: { name: 'get_weather', arguments: '{"city":"Lyon","unit":"celsius"}' },
            extra_content: { google: { thought_signature: 'CpcBAdHtim+qVXRkMy4qFKfQ' } },
          },
          { id: 'e5f6a7b8', type: 'function', function: { name: 'get_time', arguments: '{}' } },
        ],
      },
    });
  });

  it('gives each tool call without an id an id of its own', () => {
    const parts = [{ functionCall: { name: 'f' } }, { functionCall: { name: 'f' } }];
    const { choices } = whole({ candidates: [{ content: { parts }, finishReason: 'STOP' }] });
    const ids = choices[0]?.message.tool_calls?.map(({ id }) => id) ?? [];
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) expect(id).toMatch(/^call_[0-9a-f]{24}$/);
  });

  it.each([
    ['STOP', 'stop'],
    ['MAX_TOKENS', 'length'],
    ['SAFETY', 'content_filter'],
    ['RECITATION', 'content_filter'],
    ['PROHIBITED_CONTENT', 'content_filter'],
    ['MALFORMED_FUNCTION_CALL', 'error'],
    ['A_REASON_TO_COME', 'stop'],
  ])('with the finishReason %s has the finish_reason %s', (finishReason, finish_reason) => {
    const [candidate] = TEXT_ANSWER.candidates;
    expect(whole({ ...TEXT_ANSWER, candidates: [{ ...candidate, finishReason }] })).toMatchObject({
      choices: [{ finish_reason }],
    });
  });

  it('contains a choice for each candidate, and images as data URLs', () => {
    const image = { inlineData: { mimeType: 'image/png', data: 'AAAA' } };
    const answer = whole({
      candidates: [
        { index: 0, content: { parts: [{ text: 'a' }, image] }, finishReason: 'STOP' },
        { index: 1, finishReason: 'SAFETY' },
      ],
    });
    expect(answer.choices).toMatchObject([
      { index: 0, message: { content: 'a', images: [{ image_url: { url: 'data:image/png;base64,AAAA' } }] } },
      { index: 1, finish_reason: 'content_filter', message: { content: null } },
    ]);
  });

  it('is returned unchanged if the prompt was blocked', () => {
    expect(whole(BLOCKED_ANSWER)).toEqual(BLOCKED_ANSWER);
  });
});

describe.each([
  ['text and thoughts', TEXT_EVENTS, TEXT_ANSWER],
  ['tool calls', TOOL_EVENTS, TOOL_ANSWER],
] as const)('A stream of the Gemini dialect with %s', (_what, events, answer) => {
  const text = toSse(events);
  const bytes = Buffer.from(text);
  const expected = comparable(whole(answer));

  it('yields the same answer as a whole response, wherever it is split in two', async () => {
    for (let at = 0; at <= bytes.length; at++) {
      const read = comparable(await readStream(geminiDialect, cutAt(bytes, at)));
      if (!isDeepStrictEqual(read, expected)) expect([at, read]).toEqual([at, expected]);
    }
  });

  it('yields the same answer split into any number of pieces', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 20 }), async (cuts) => {
        expect(comparable(await readStream(geminiDialect, cutAt(bytes, ...cuts)))).toEqual(expected);
      }),
      { numRuns: 15 },
    );
  });

  it('fails if it ends anywhere before its finishReason', async () => {
    const end = text.lastIndexOf('data: ');
    for (let at = 0; at < end + 40; at++) {
      const error: unknown = await readStream(geminiDialect, [bytes.subarray(0, at)]).catch(
        (e: unknown) => e,
      );
      if (!(error instanceof StreamFailure)) throw new Error(`ended at ${at}: ${JSON.stringify(error)}`);
    }
  });

  it('fails if one of its events is cut short', async () => {
    for (const at of events.keys()) {
      const pieces = events.map((event) => toSse([event]));
      const read = readStream(geminiDialect, pieces.toSpliced(at, 1, 'data: {"candida\n\n'));
      await expect(read).rejects.toBeInstanceOf(StreamFailure);
    }
  });
});

describe('A stream of the Gemini dialect', () => {
  it('fails with the class content_policy if the prompt was blocked', async () => {
    await expect(readStream(geminiDialect, [toSse([BLOCKED_ANSWER])])).rejects.toMatchObject({
      detail: { class: 'content_policy', code: 'PROHIBITED_CONTENT' },
    });
  });

  it('fails with the class bad_answer if the model wrote a malformed function call', async () => {
    const event = { candidates: [{ finishReason: 'MALFORMED_FUNCTION_CALL' as never, index: 0 }] };
    await expect(readStream(geminiDialect, [toSse([event])])).rejects.toMatchObject({
      detail: { class: 'bad_answer' },
    });
  });

  it('reports the usage of all candidates, although the first one has finished before the others', async () => {
    const candidate = (index: number, text: string) => [
      {
        candidates: [{ index, content: { role: 'model', parts: [{ text }] }, finishReason: 'STOP' as never }],
        usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 5 * (index + 1), totalTokenCount: 15 },
      },
    ];
    const events = [...candidate(0, 'Yes.'), ...candidate(1, 'No.')];
    const answer = await readStream(geminiDialect, [toSse(events)], 2);
    expect(answer.choices.map(({ message }) => message.content)).toEqual(['Yes.', 'No.']);
    expect(answer.usage).toMatchObject({ prompt_tokens: 10, completion_tokens: 10 });
  });

  it('fails as truncated if it is empty', async () => {
    await expect(readStream(geminiDialect, [])).rejects.toBeInstanceOf(TruncatedStreamError);
  });
});
