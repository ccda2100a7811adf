import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { anthropicDialect } from '../../../lib/provider/anthropic/anthropic-dialect';
import { StreamFailure, TruncatedStreamError, UpstreamStreamError } from '../../../lib/stream/stream-errors';
import { cutAt } from '../../stream/fixtures/streams';
import { ask } from '../fixtures/conversation';
import { comparable, readStream } from '../fixtures/read-stream';
import { OVERLOADED_EVENT, TEXT_EVENTS, TEXT_MESSAGE, TOOL_EVENTS, TOOL_MESSAGE, toSse } from './fixtures';

const whole = (message: object) =>
  anthropicDialect.answer({ status: 200, headers: {}, body: JSON.stringify(message) }, ask());

const USAGE = {
  prompt_tokens: 2000,
  completion_tokens: 90,
  total_tokens: 2090,
  prompt_tokens_details: { cached_tokens: 1500 },
  completion_tokens_details: { reasoning_tokens: 30 },
};

describe('An answer of the Anthropic dialect', () => {
  it('is translated to a chat completion with text and usage, including cached and reasoning tokens', () => {
    expect(whole(TEXT_MESSAGE)).toEqual({
      id: 'msg_01XFDUDYJgAACzvnptvVoYEL',
      object: 'chat.completion',
      created: expect.any(Number) as number,
      model: 'claude-sonnet-4-5-20250929',
      choices: [
        {
          index: 0,
          finish_reason: 'stop',
          logprobs: null,
          message: { role: 'assistant', content: 'It is sunny in Lyon: 24 °C.', refusal: null },
        },
      ],
      usage: USAGE,
    });
  });

  it('contains tool calls, the text of the thinking, and the thinking blocks to send back', () => {
    const { choices } = whole(TOOL_MESSAGE) as { choices: object[] };
    expect(choices).toEqual([
      {
        index: 0,
        finish_reason: 'tool_calls',
        logprobs: null,
        message: {
          role: 'assistant',
          content: 'I look both up.',
          refusal: null,
          reasoning_content: 'I need the weather of two cities.',
          thinking_blocks: TOOL_MESSAGE.content.slice(0, 2),
          tool_calls: [
            {
              id: 'toolu_01T1x1fJ34qAmk2tNTrN7Up6',
              type: 'function',
              function: { name: 'get_weather', arguments: '{"city":"Lyon","unit":"celsius"}' },
            },
            {
              id: 'toolu_01D7FLrfh4GYq7yT1ULFeyMV',
              type: 'function',
              function: { name: 'get_time', arguments: '{}' },
            },
          ],
        },
      },
    ]);
  });

  it.each([
    ['end_turn', 'stop'],
    ['stop_sequence', 'stop'],
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['refusal', 'content_filter'],
    ['pause_turn', 'stop'],
    ['a_reason_to_come', 'stop'],
  ])('with the stop_reason %s has the finish_reason %s', (stop_reason, finish_reason) => {
    expect(whole({ ...TEXT_MESSAGE, stop_reason })).toMatchObject({ choices: [{ finish_reason }] });
  });

  it('is returned unchanged if it is an error object, and throws if it is not JSON', () => {
    const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    expect(whole(error)).toEqual(error);
    expect(() => anthropicDialect.answer({ status: 200, headers: {}, body: '<html>' }, ask())).toThrow();
  });
});

describe.each([
  ['text', TEXT_EVENTS, TEXT_MESSAGE],
  ['tool calls and thinking', TOOL_EVENTS, TOOL_MESSAGE],
] as const)('A stream of the Anthropic dialect with %s', (_what, events, message) => {
  const text = toSse(events);
  const bytes = Buffer.from(text);
  const expected = comparable(whole(message) as never);

  it('yields the same answer as a whole response, wherever it is split in two', async () => {
    for (let at = 0; at <= bytes.length; at++) {
      const answer = comparable(await readStream(anthropicDialect, cutAt(bytes, at)));
      if (!isDeepStrictEqual(answer, expected)) expect([at, answer]).toEqual([at, expected]);
    }
  });

  it('yields the same answer with CRLF and split into any number of pieces', async () => {
    const crlf = Buffer.from(text.replaceAll('\n', '\r\n'));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(crlf.length), { maxLength: 20 }), async (cuts) => {
        expect(comparable(await readStream(anthropicDialect, cutAt(crlf, ...cuts)))).toEqual(expected);
      }),
      { numRuns: 15 },
    );
  });

  it('fails if it ends anywhere before its stop_reason', async () => {
    const end = text.indexOf('event: message_delta');
    for (let at = 0; at < end; at++) {
      const error: unknown = await readStream(anthropicDialect, [bytes.subarray(0, at)]).catch(
        (e: unknown) => e,
      );
      if (!(error instanceof StreamFailure)) throw new Error(`ended at ${at}: ${JSON.stringify(error)}`);
    }
  });

  it('fails if one of its events is cut short', async () => {
    const pieces = events.map((event) => toSse([event]));
    for (const [at, event] of events.entries()) {
      if (event.type === 'message_stop') continue;
      const cut = `event: ${event.type}\ndata: ${JSON.stringify(event).slice(0, 12)}\n\n`;
      const read = readStream(anthropicDialect, Array.from(pieces).toSpliced(at, 1, cut));
      await expect(read).rejects.toBeInstanceOf(StreamFailure);
    }
  });
});

describe('A stream of the Anthropic dialect', () => {
  it('fails with the class server if it reports overload', async () => {
    const read = readStream(anthropicDialect, [toSse(TEXT_EVENTS.slice(0, 4)), OVERLOADED_EVENT]);
    await expect(read).rejects.toBeInstanceOf(UpstreamStreamError);
    await expect(read).rejects.toMatchObject({ detail: { class: 'server', status: 529 } });
  });

  it('fails as truncated if it ends without a message_delta', async () => {
    const read = readStream(anthropicDialect, [toSse(TEXT_EVENTS.slice(0, -2))]);
    await expect(read).rejects.toBeInstanceOf(TruncatedStreamError);
  });
});

describe('The rate limits of the Anthropic dialect', () => {
  it('are read from the anthropic-ratelimit headers', () => {
    const headers = {
      'anthropic-ratelimit-requests-limit': '50',
      'anthropic-ratelimit-requests-remaining': '49',
      'anthropic-ratelimit-requests-reset': new Date(Date.now() + 1200).toISOString(),
      'anthropic-ratelimit-input-tokens-limit': '30000',
      'anthropic-ratelimit-input-tokens-remaining': '29000',
      'anthropic-ratelimit-input-tokens-reset': new Date(Date.now() + 2000).toISOString(),
    };
    expect(anthropicDialect.limits(headers)).toMatchObject({
      requests: { limit: 50, remaining: 49 },
      inputTokens: { limit: 30_000, remaining: 29_000 },
    });
  });
});
