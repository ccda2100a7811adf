import type { ChatCompletion, ChatCompletionChunk } from 'express-ai-balancer';
import fc from 'fast-check';
import type { ResponseStreamEvent } from '../../lib/call/response';
import { hasResponsesApi } from '../../lib/provider/responses-api';
import { readNativeEvents } from '../../lib/responses/native-event-reader';
import { ResponseBuilder, toResponse } from '../../lib/responses/response-builder';
import { inputItems, toChat } from '../../lib/responses/to-chat';
import { NativeServer, sseOf } from './fixtures/native-server';

const REQUEST = { model: 'gpt-4o', input: 'Hi' };
const chat = (body: object) => toChat(body, inputItems((body as { input?: string }).input));

function chunk(delta: object, finish_reason: string | null = null): ChatCompletionChunk {
  const choice = { index: 0, delta, finish_reason };
  return { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [choice] } as never;
}

function build(deltas: readonly object[], finish = 'stop') {
  const builder = new ResponseBuilder(REQUEST, 1);
  const events = deltas.flatMap((delta) => builder.add(chunk(delta)));
  events.push(...builder.add(chunk({}, finish)), ...builder.end());
  return { events, response: builder.response };
}

const typesOf = (events: readonly ResponseStreamEvent[]) => events.map(({ type }) => type);
const call = (index: number, part: object, id?: string) => ({
  tool_calls: [{ index, ...(id ? { id, type: 'function' } : {}), function: part }],
});

describe('the response made from a chat stream', () => {
  it('contains reasoning as a separate item before the message', () => {
    const { events, response } = build([
      { role: 'assistant', content: '' },
      { reasoning_content: 'Let me' },
      { reasoning_content: ' think.' },
      { content: 'Four.' },
    ]);
    expect(response.output).toMatchObject([
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Let me think.' }] },
      { type: 'message', content: [{ type: 'output_text', text: 'Four.' }] },
    ]);
    expect(typesOf(events)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.reasoning_summary_part.added',
      'response.reasoning_summary_text.delta',
      'response.reasoning_summary_text.delta',
      'response.reasoning_summary_text.done',
      'response.reasoning_summary_part.done',
      'response.output_item.done',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
  });

  it('assembles parallel function calls whose pieces come in any order', () => {
    const { events, response } = build(
      [
        { content: 'Looking.' },
        call(0, { name: 'a', arguments: '' }, 'c0'),
        call(1, { name: 'b', arguments: '{"y":' }, 'c1'),
        call(0, { arguments: '{"x":1}' }),
        call(1, { arguments: '2}' }),
      ],
      'tool_calls',
    );
    expect(response.status).toBe('completed');
    expect(response.output).toMatchObject([
      { type: 'message', content: [{ text: 'Looking.' }] },
      { type: 'function_call', call_id: 'c0', name: 'a', arguments: '{"x":1}', status: 'completed' },
      { type: 'function_call', call_id: 'c1', name: 'b', arguments: '{"y":2}', status: 'completed' },
    ]);
    const done = events.filter(({ type }) => type === 'response.output_item.done');
    expect(done.map(({ output_index }) => output_index)).toEqual([0, 1, 2]);
  });

  it('contains a refusal as a part of the message', () => {
    const { events, response } = build([{ refusal: 'I can' }, { refusal: 'not.' }]);
    expect(response.output).toMatchObject([{ content: [{ type: 'refusal', refusal: 'I cannot.' }] }]);
    expect(typesOf(events)).toContain('response.refusal.done');
  });

  it.each([
    ['length', 'max_output_tokens'],
    ['content_filter', 'content_filter'],
  ])('is incomplete after finish_reason %s', (finish, reason) => {
    const { events, response } = build([{ content: 'It' }], finish);
    expect(response).toMatchObject({ status: 'incomplete', incomplete_details: { reason } });
    expect(events.at(-1)?.type).toBe('response.incomplete');
  });

  it('is consistent with its events for any sequence of deltas', () => {
    const delta = fc.oneof(
      fc.record({ content: fc.string() }),
      fc.record({ reasoning: fc.string() }),
      fc.record({ refusal: fc.string() }),
      fc
        .tuple(fc.nat(2), fc.string())
        .map(([index, text]) => call(index, { name: 'f', arguments: text }, 'c')),
    );
    fc.assert(
      fc.property(fc.array(delta), (deltas) => {
        const { events, response } = build(deltas);
        expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, index) => index));
        const items: object[] = [];
        for (const { type, output_index, item } of events)
          if (type === 'response.output_item.done') items[output_index as number] = item as object;
        expect(items).toEqual(response.output);
        const added = events.filter(({ type }) => type === 'response.output_item.added');
        expect(added.map(({ output_index }) => output_index)).toEqual(
          response.output.map((_, index) => index),
        );
        const texts = (name: string) =>
          deltas.map((given) => (given as Record<string, string | undefined>)[name] ?? '').join('');
        const shown = JSON.stringify(response.output);
        expect(response.output_text).toBe(texts('content'));
        if (texts('reasoning') !== '') expect(shown).toContain('"type":"reasoning"');
      }),
    );
  });

  it('has the same kinds of items if it is made from a whole answer', () => {
    const message = {
      role: 'assistant',
      content: 'Hi',
      reasoning: 'Hm',
      tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
    };
    const answer = {
      id: 'c',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [{ index: 0, message, finish_reason: 'tool_calls' }],
      usage: { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 },
    };
    const response = toResponse(REQUEST, answer as unknown as ChatCompletion);
    expect(response.output.map(({ type }) => type)).toEqual(['reasoning', 'message', 'function_call']);
    expect(response).toMatchObject({
      model: 'm',
      status: 'completed',
      usage: { input_tokens: 2, output_tokens: 3, total_tokens: 5 },
    });
  });
});

describe('the translation of a Responses request', () => {
  it('maps reasoning effort, tool choice and text format', () => {
    const tools = ['a', 'b'].map((name) => ({
      type: 'function',
      name,
      parameters: { type: 'object' },
      strict: null,
    }));
    const { body, nativeOnly } = chat({
      ...REQUEST,
      tools,
      tool_choice: { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'b' }] },
      parallel_tool_calls: false,
      reasoning: { effort: 'low', summary: 'auto' },
      max_output_tokens: 9,
      text: { format: { type: 'json_object' }, verbosity: 'low' },
      store: false,
      include: ['reasoning.encrypted_content'],
    });
    expect(nativeOnly).toBeUndefined();
    expect(body).toEqual({
      model: 'gpt-4o',
      messages: [{ role: 'user', content: 'Hi' }],
      tools: [{ type: 'function', function: { name: 'b', parameters: { type: 'object' } } }],
      tool_choice: 'required',
      parallel_tool_calls: false,
      reasoning_effort: 'low',
      max_completion_tokens: 9,
      response_format: { type: 'json_object' },
    });
    const forced = chat({ ...REQUEST, tools, tool_choice: { type: 'function', name: 'a' } });
    expect(forced.body.tool_choice).toEqual({ type: 'function', function: { name: 'a' } });
  });

  it('combines parallel function calls and the text before them in one message', () => {
    const { body } = chat({
      input: [
        { role: 'developer', content: 'Be kind.' },
        { type: 'reasoning', id: 'rs_1', summary: [] },
        { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Looking.' }] },
        { type: 'function_call', call_id: 'c0', name: 'a', arguments: '{}' },
        { type: 'function_call', call_id: 'c1', name: 'b', arguments: '{}' },
        { type: 'function_call_output', call_id: 'c0', output: [{ type: 'input_text', text: 'yes' }] },
        { type: 'function_call_output', call_id: 'c1', output: 'no' },
      ],
    });
    expect(body.messages).toMatchObject([
      { role: 'system', content: 'Be kind.' },
      { role: 'assistant', content: 'Looking.', tool_calls: [{ id: 'c0' }, { id: 'c1' }] },
      { role: 'tool', tool_call_id: 'c0', content: 'yes' },
      { role: 'tool', tool_call_id: 'c1', content: 'no' },
    ]);
  });

  it.each([
    ['a message of an unknown role', [{ role: 'king', content: 'x' }], 'input[0].role'],
    ['a message whose content is a number', [{ role: 'user', content: 7 }], 'input[0].content'],
    ['a function call without an id', [{ type: 'function_call', name: 'a' }], 'input[0].call_id'],
  ])('refuses %s and names the field', (_, input, param) => {
    expect(() => chat({ input })).toThrow(expect.objectContaining({ status: 400, param }) as Error);
  });

  it('throws only ERR_AI_BAD_REQUEST, whatever the request contains', () => {
    const value = fc.jsonValue();
    const type = fc.constantFrom('message', 'function_call', 'function_call_output', 'reasoning', 'other');
    const item = fc.record(
      { type, role: value, content: value, call_id: value, name: value, output: value },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.array(item, { minLength: 1 }), value, value, (input, tools, text) => {
        try {
          expect(chat({ input, tools, text }).body.messages).toBeInstanceOf(Array);
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_AI_BAD_REQUEST' });
        }
      }),
    );
  });
});

describe('the stream of a Responses API', () => {
  const server = new NativeServer('a');
  const bytes = Buffer.from(sseOf(server.events({ model: 'gpt-4o' })));
  const read = async (parts: readonly Buffer[]) => {
    const types: string[] = [];
    async function* source() {
      for (const part of parts) yield await Promise.resolve(part);
    }
    for await (const { native } of readNativeEvents(source())) types.push(native?.type ?? '');
    return types;
  };

  it('causes an error, never a short answer, if it is cut at any byte before its last event', async () => {
    const lastEvent = bytes.lastIndexOf('event: response.completed');
    for (let end = 0; end < lastEvent; end++)
      await expect(read([bytes.subarray(0, end)])).rejects.toThrow(/ended|could not be read/);
  });

  it('yields the same events in whatever pieces its bytes arrive', async () => {
    const whole = await read([bytes]);
    expect(whole.at(-1)).toBe('response.completed');
    for (const size of [1, 2, 3, 5, 64]) {
      const parts = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
        bytes.subarray(index * size, (index + 1) * size),
      );
      expect(await read(parts)).toEqual(whole);
    }
  });
});

it.each([
  ['openai', 'https://api.openai.com/v1', true],
  ['openai', 'http://127.0.0.1:9/v1', false],
  ['openai', 'https://api.openai.com.evil.example/v1', false],
  ['azure', 'https://shop.openai.azure.com/openai/v1', true],
  ['groq', 'https://api.groq.com/openai/v1', false],
  ['openai', 'nonsense', false],
])('hasResponsesApi() for the provider %s at %s returns %s', (provider, baseURL, expected) => {
  expect(hasResponsesApi(provider, baseURL)).toBe(expected);
});
