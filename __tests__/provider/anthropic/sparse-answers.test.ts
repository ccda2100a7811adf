import { anthropicDialect } from '../../../lib/provider/anthropic/anthropic-dialect';
import type { DialectCall } from '../../../lib/provider/dialect';
import { ask, chat, endpointOf, TOOLS } from '../fixtures/conversation';
import { readStream } from '../fixtures/read-stream';
import { TEXT_EVENTS, toSse } from './fixtures';

const OLD = endpointOf('anthropic', 'claude-3-5-haiku-20241022', { maxOutputTokens: 8192 });
const whole = (message: unknown) =>
  anthropicDialect.answer({ status: 200, headers: {}, body: JSON.stringify(message) }, ask());
const sent = (call: DialectCall) =>
  JSON.parse(anthropicDialect.request(call, OLD).body) as Record<string, unknown>;
const [START] = TEXT_EVENTS;
const START_BLOCK = 'content_block_start';
const DELTA = 'content_block_delta';
const stop = (reason: string) => ({
  type: 'message_delta',
  delta: { stop_reason: reason },
  usage: { output_tokens: 3 },
});
const stream = (...events: readonly object[]) =>
  readStream(anthropicDialect, [toSse([START!, ...(events as { type: string }[])])]);

describe('An answer of the Anthropic dialect', () => {
  it('is not accepted if it is not an object', () => {
    expect(() => whole('Hi')).toThrow('The answer is not an object.');
  });

  it('has empty arguments for a tool call without input, and no counts if the usage has none', () => {
    const content = [{ type: 'tool_use', id: 't', name: 'get_time' }];
    expect(whole({ id: 'm', model: 'c', content, stop_reason: 'tool_use', usage: {} })).toMatchObject({
      choices: [{ message: { tool_calls: [{ id: 't', function: { name: 'get_time', arguments: '{}' } }] } }],
      usage: { prompt_tokens: 0, completion_tokens: 0 },
    });
  });

  it('has no usage if the message has none', () => {
    const content = [{ type: 'text', text: 'Hi' }];
    expect(whole({ id: 'm', model: 'c', content, stop_reason: 'end_turn' })).not.toHaveProperty('usage');
  });
});

describe('A stream of the Anthropic dialect', () => {
  it('has the input of the JSON tool as its text, and stops as a text does', async () => {
    const answer = await stream(
      {
        type: START_BLOCK,
        index: 0,
        content_block: { type: 'tool_use', id: 't', name: 'respond_with_json', input: {} },
      },
      { type: DELTA, index: 0, delta: { type: 'input_json_delta', partial_json: '{"city":' } },
      { type: DELTA, index: 0, delta: { type: 'input_json_delta', partial_json: '"Lyon"}' } },
      { type: 'content_block_stop', index: 0 },
      stop('tool_use'),
    );
    expect(answer.choices).toMatchObject([
      { finish_reason: 'stop', message: { content: '{"city":"Lyon"}' } },
    ]);
    expect(answer.choices[0]?.message).not.toHaveProperty('tool_calls');
  });

  it('skips deltas that belong to no block, blocks and events of an unknown type', async () => {
    const answer = await stream(
      { type: 'event_to_come' },
      { type: START_BLOCK, index: 0, content_block: { type: 'block_to_come' } },
      { type: DELTA, index: 0, delta: { type: 'input_json_delta', partial_json: '{}' } },
      { type: DELTA, index: 0, delta: { type: 'signature_delta', signature: 'x' } },
      { type: DELTA, index: 0, delta: { type: 'delta_to_come' } },
      { type: DELTA, index: 0 },
      { type: 'content_block_stop', index: 0 },
      { type: START_BLOCK, index: 1 },
      { type: START_BLOCK, index: 2, content_block: { type: 'text', text: 'Hi' } },
      { type: 'content_block_stop', index: 2 },
      stop('end_turn'),
    );
    expect(answer.choices).toMatchObject([{ finish_reason: 'stop', message: { content: 'Hi' } }]);
  });

  it('has a tool call without input', async () => {
    const answer = await stream(
      { type: START_BLOCK, index: 0, content_block: { type: 'tool_use', id: 't', name: 'get_time' } },
      { type: 'content_block_stop', index: 0 },
      stop('tool_use'),
    );
    expect(answer.choices).toMatchObject([
      { finish_reason: 'tool_calls', message: { tool_calls: [{ id: 't', function: { arguments: '{}' } }] } },
    ]);
  });
});

describe('A request of the Anthropic dialect', () => {
  it('has no final assistant message if its text is blank, and none of its texts ends with white space', () => {
    const asked = { role: 'user', content: 'Hi' };
    const called = {
      role: 'assistant',
      content: [
        { type: 'text', text: 'Well' },
        { type: 'text', text: ' then \n' },
      ],
    };
    expect(sent(chat({ messages: [asked, { role: 'assistant', content: ' \n' }] })).messages).toHaveLength(1);
    expect(sent(chat({ messages: [asked, called] })).messages).toMatchObject([
      {},
      { role: 'assistant', content: [{ text: 'Well' }, { text: ' then' }] },
    ]);
  });

  it.each<[string, unknown]>([
    ['a schema that is missing', undefined],
    ['a format without a schema', { name: 'x' }],
    ['a schema that is not an object', { name: 'x', schema: true }],
  ])('asks for any JSON object through a tool if the response format has %s', (_name, json_schema) => {
    const { tools, tool_choice } = sent(ask({ response_format: { type: 'json_schema', json_schema } }));
    expect(tools).toMatchObject([
      { name: 'respond_with_json', input_schema: { type: 'object', additionalProperties: true } },
    ]);
    expect(tool_choice).toEqual({ type: 'tool', name: 'respond_with_json' });
  });

  it('asks for JSON or a call of one of the tools, or for the call that tool_choice names', () => {
    const json = { response_format: { type: 'json_object' }, tools: TOOLS };
    expect(sent(ask(json)).tool_choice).toEqual({ type: 'any' });
    const named = { type: 'function', function: { name: 'get_time' } };
    expect(sent(ask({ ...json, tool_choice: named })).tool_choice).toEqual({
      type: 'tool',
      name: 'get_time',
    });
    expect(sent(ask({ ...json, tool_choice: 'none' })).tool_choice).toMatchObject({
      name: 'respond_with_json',
    });
  });

  it('is not made for an embeddings call', () => {
    const call = { operation: 'embeddings', stream: false, body: { model: 'm', input: 'a' } } as DialectCall;
    expect(() => anthropicDialect.request(call, OLD)).toThrow('Anthropic has no embeddings.');
  });

  it('continues an interrupted text only if that does not end with white space', () => {
    const { body } = ask();
    expect(anthropicDialect.continuation?.(body, 'It is ', 'anthropic')).toBeUndefined();
    expect(anthropicDialect.continuation?.(body, 'It is', 'anthropic')?.messages.at(-1)).toMatchObject({
      role: 'assistant',
      content: 'It is',
    });
  });
});
