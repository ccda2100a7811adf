import type { ChatCompletion, ChatCompletionChunk } from '../../lib/call/answer';
import { type ChatEvent, generatedText, ParsedChatEvent } from '../../lib/stream/chat-event';
import { readUsage } from '../../lib/stream/usage';
import { assembleAnswer, looksLikeEventStream, toChatEvents } from '../../lib/stream/whole-answer';

const HEAD = { id: 'x', object: 'chat.completion', created: 1, model: 'm' };
const called = (name: string, text: string) => ({ name, arguments: text });

describe('A whole answer sent in place of a stream', () => {
  const chunksOf = (choices: unknown, more: object = {}) =>
    toChatEvents({ ...HEAD, choices, ...more } as ChatCompletion, false).map(({ chunk }) => chunk);

  it.each<[string, object, object]>([
    [
      'its message as the delta',
      { message: { role: 'assistant', content: 'Hello' } },
      { role: 'assistant', content: 'Hello' },
    ],
    [
      'its tool calls with an index each, and those that are no objects unchanged',
      { message: { content: null, tool_calls: [{ id: 'a' }, { id: 'b', index: 7 }, null] } },
      { content: null, tool_calls: [{ index: 0, id: 'a' }, { id: 'b', index: 7 }, null] },
    ],
    ['the text of the legacy completions API as content', { text: 'Hello' }, { content: 'Hello' }],
    ['a delta as it is', { delta: { content: 'Hello' } }, { content: 'Hello' }],
  ])('becomes a chunk with %s', (_what, choice, delta) => {
    expect(chunksOf([{ index: 0, finish_reason: 'length', ...choice }])).toEqual([
      {
        ...HEAD,
        object: choice.hasOwnProperty('delta') ? HEAD.object : 'chat.completion.chunk',
        choices: [{ index: 0, finish_reason: 'length', delta }],
      },
    ]);
  });

  it('keeps the delta of a choice beside one that has a message', () => {
    const [chunk] = chunksOf([
      { index: 0, delta: { content: 'One' } },
      { index: 1, message: { content: 'Two' } },
    ]);
    expect(chunk?.choices.map(({ delta }) => delta)).toEqual([{ content: 'One' }, { content: 'Two' }]);
  });

  it.each([undefined, null, ''])('ends with finish_reason stop if its own is %p', (finish_reason) => {
    const [chunk] = chunksOf([{ index: 0, message: { content: 'Hello' }, finish_reason }]);
    expect(chunk?.choices[0]?.finish_reason).toBe('stop');
  });

  it('reports its usage in a last chunk without choices', () => {
    const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
    const chunks = chunksOf([{ index: 0, message: { content: 'Hello' } }], { usage });
    expect(chunks.map((chunk) => [chunk.choices.length, chunk.usage])).toEqual([
      [1, undefined],
      [0, usage],
    ]);
  });
});

describe('generatedText', () => {
  it.each<[string, unknown, string]>([
    ['of nothing is empty', undefined, ''],
    ['of an answer without choices is empty', { choices: 'none' }, ''],
    ['skips choices without a message', { choices: [null, { index: 0 }, { message: 'x' }] }, ''],
    [
      'has the text, reasoning and refusal of every choice',
      { choices: [{ message: { reasoning: 'a', content: 'b' } }, { message: { refusal: 'c' } }] },
      'abc',
    ],
    [
      'has the names and arguments of called tools and functions',
      {
        choices: [
          {
            message: {
              tool_calls: [{ function: called('find', '{}') }, null, {}],
              function_call: called('old', '[]'),
            },
          },
        ],
      },
      'find{}old[]',
    ],
    ['skips tool calls that are no list', { choices: [{ message: { tool_calls: 'x' } }] }, ''],
  ])('%s', (_what, answer, text) => {
    expect(generatedText(answer)).toBe(text);
  });
});

describe('An answer assembled from the chunks of a stream', () => {
  async function* events(chunks: readonly object[]): AsyncGenerator<ChatEvent> {
    for (const chunk of chunks) {
      yield await Promise.resolve(new ParsedChatEvent({ ...HEAD, ...chunk } as ChatCompletionChunk, false));
    }
  }

  const messagesOf = async (...choices: object[]) => {
    const answer = await assembleAnswer(events(choices.map((choice) => ({ choices: [choice] }))));
    return answer.choices.map(({ message }) => message);
  };

  it('places choices without an index by their position', async () => {
    const answer = await assembleAnswer(
      events([
        { choices: [{ delta: { content: 'a' } }, { delta: { content: 'b' }, finish_reason: 'stop' }] },
      ]),
    );
    expect(answer.choices).toMatchObject([
      { index: 0, message: { content: 'a' }, finish_reason: null },
      { index: 1, message: { content: 'b' }, finish_reason: 'stop' },
    ]);
  });

  it('has the message so far if a choice has no delta', async () => {
    expect(await messagesOf({ index: 0, delta: { content: 'a' } }, { index: 0 })).toEqual([
      { role: 'assistant', content: 'a' },
    ]);
  });

  it.each<[string, object[], object]>([
    ['joins texts', [{ reasoning: 'a' }, { reasoning: 'b' }], { reasoning: 'ab' }],
    ['joins lists', [{ annotations: [1] }, { annotations: [2] }], { annotations: [1, 2] }],
    [
      'replaces other values, but not by null',
      [{ audio: { id: 'a' } }, { audio: null }],
      { audio: { id: 'a' } },
    ],
    [
      'never sets the prototype',
      [JSON.parse('{"__proto__":{"admin":true},"content":"a"}') as object],
      { content: 'a' },
    ],
    [
      'joins the arguments of tool calls by their index',
      [
        { tool_calls: [{ index: 0, id: 'a', function: called('f', '{') }] },
        { tool_calls: [{ index: 1, id: 'b', function: called('g', '1') }] },
        { tool_calls: [{ index: 0, function: { arguments: '}' } }, null] },
      ],
      {
        tool_calls: [
          { type: 'function', id: 'a', function: called('f', '{}') },
          { type: 'function', id: 'b', function: called('g', '1') },
        ],
      },
    ],
    [
      'places tool calls without a usable index by their position, leaving no gap',
      [{ tool_calls: [{ function: called('f', '') }, { index: 9, function: called('g', '') }] }],
      {
        tool_calls: [
          { type: 'function', function: called('f', '') },
          { type: 'function', function: called('g', '') },
        ],
      },
    ],
    [
      'keeps a tool call without a function',
      [{ tool_calls: [{ index: 0, id: 'a' }] }],
      { tool_calls: [{ type: 'function', id: 'a', function: called('', '') }] },
    ],
  ])('%s', async (_what, deltas, message) => {
    const [assembled] = await messagesOf(...deltas.map((delta) => ({ index: 0, delta })));
    expect(assembled).toEqual({ role: 'assistant', content: null, ...message });
    expect(Object.getPrototypeOf(assembled)).toBe(Object.prototype);
  });
});

it.each<[unknown, number | undefined]>([
  [undefined, undefined],
  ['text', undefined],
  [{ usage: { prompt_tokens: 3, completion_tokens: 4 } }, 7],
  [{ x_groq: { usage: { prompt_tokens: 1, completion_tokens: 1 } } }, 2],
])('the usage reported in %j is %p tokens in total', (answer, total) => {
  expect(readUsage(answer)?.total_tokens).toBe(total);
});

it.each([
  ['data: {}', true],
  [': ping', true],
  ['{"data:":1}', false],
])('the body %j looks like an event stream: %p', (text, expected) => {
  expect(looksLikeEventStream(text)).toBe(expected);
});
