import type { AIResponse } from '../../lib/call/response';
import { KeptItems } from '../../lib/responses/kept-items';
import { readNativeEvents } from '../../lib/responses/native-event-reader';
import {
  eventsOfResponse,
  failureInEvent,
  findResponseFault,
  responseUsage,
} from '../../lib/responses/native-response';
import { ResponseBuilder } from '../../lib/responses/response-builder';
import { RESPONSE_WIRE, ResponseEventStream } from '../../lib/responses/response-stream';
import { CHAT_EVENTS } from '../../lib/stream/chat-stream';

const MESSAGE = {
  type: 'message',
  role: 'assistant',
  id: 'msg_1',
  content: [{ type: 'output_text', text: 'Hi' }],
};
const WHOLE = { id: 'resp_1', object: 'response', status: 'completed', output: [MESSAGE] };

describe('A response of a Responses API', () => {
  it.each<[string, unknown, object | undefined]>([
    ['is used if it has content', WHOLE, undefined],
    [
      'is used without content if it is incomplete',
      { ...WHOLE, status: 'incomplete', output: [] },
      undefined,
    ],
    [
      'is not an answer if it is not an object',
      'Hi',
      { class: 'bad_answer', code: 'invalid_json', status: 200 },
    ],
    [
      'is not an answer without output',
      { ...WHOLE, output: undefined },
      { class: 'bad_answer', code: 'no_output' },
    ],
    [
      'is not an answer if its output is not a list of items',
      { ...WHOLE, output: ['Hi'] },
      { code: 'no_output' },
    ],
    ['is not an answer if it is complete and empty', { ...WHOLE, output: [] }, { code: 'empty_answer' }],
    [
      'is a bad answer if it has failed',
      { ...WHOLE, status: 'failed' },
      { class: 'bad_answer', status: 200 },
    ],
    [
      'has the class of failure of its error',
      { ...WHOLE, error: { code: 'rate_limit_exceeded', message: 'slow down' } },
      { class: 'rate_limited', status: 200 },
    ],
  ])('%s', (_name, answer, fault) => {
    const found = findResponseFault(answer, 200);
    if (fault) expect(found).toMatchObject(fault);
    else expect(found).toBeUndefined();
  });

  it('reports its usage, if it has any', () => {
    expect(responseUsage({ usage: { input_tokens: 4, output_tokens: 2, total_tokens: 6 } })).toMatchObject({
      prompt_tokens: 4,
      completion_tokens: 2,
    });
    expect(responseUsage({ usage: null })).toBeUndefined();
    expect(responseUsage('Hi')).toBeUndefined();
  });

  it.each([
    ['completed', 'response.completed'],
    ['incomplete', 'response.incomplete'],
  ])('with the status %s, sent whole in place of a stream, ends with the event %s', (status, last) => {
    const events = eventsOfResponse({ ...WHOLE, status, output_text: 'Hi' } as unknown as AIResponse);
    expect(events.map(({ native }) => native.type)).toEqual([
      'response.created',
      'response.output_item.added',
      'response.output_item.done',
      last,
    ]);
    expect(JSON.stringify(events)).not.toContain('output_text":"Hi"');
  });
});

describe('An event of a Responses API', () => {
  it.each<[string, object, object | undefined]>([
    ['is not a failure without an error', { type: 'response.created', response: WHOLE }, undefined],
    [
      'is a failure if it has an error without a known type',
      { error: { code: 'rate_limit_exceeded', message: 'slow down' } },
      { class: 'rate_limited' },
    ],
    [
      'is a failure of the response in it',
      { type: 'response.failed', response: { error: { code: 'context_length_exceeded', message: 'long' } } },
      { class: 'context_window' },
    ],
    [
      'is a failure without a response',
      { type: 'response.cancelled' },
      { class: expect.any(String) as string },
    ],
  ])('%s', (_name, event, failure) => {
    const found = failureInEvent(event as Record<string, unknown>);
    if (failure) expect(found).toMatchObject(failure);
    else expect(found).toBeUndefined();
  });

  async function read(...data: readonly string[]): Promise<string[]> {
    async function* source() {
      for (const each of data) yield await Promise.resolve(Buffer.from(`data: ${each}\n\n`));
    }
    const types: string[] = [];
    for await (const { native } of readNativeEvents(source())) types.push(native?.type ?? '');
    return types;
  }
  const COMPLETED = JSON.stringify({ type: 'response.completed', response: WHOLE });
  const DELTA = JSON.stringify({ type: 'response.output_text.delta', delta: 'Hi' });

  it('is skipped if it is a comment, [DONE], not an object or without a type', async () => {
    expect(await read('', ' ', '[DONE]', '7', '{"delta":"x"}', DELTA, COMPLETED)).toEqual([
      'response.output_text.delta',
      'response.completed',
    ]);
  });

  it('ends the stream with an error if it is nested too deeply', async () => {
    const nested = `{"type":"x","deep":${'['.repeat(2_000)}${']'.repeat(2_000)}}`;
    await expect(read(nested, COMPLETED)).rejects.toThrow(/nested deeper than \d+ levels/);
  });

  it('that refuses the request is a failure of the server once content has been sent', async () => {
    const refusal = JSON.stringify({
      type: 'error',
      error: { code: 'context_length_exceeded', message: 'long' },
    });
    const failing = (...data: readonly string[]) =>
      read(...data).then(
        () => undefined,
        (error: unknown) => error,
      );
    expect(await failing(refusal)).toMatchObject({ detail: { class: 'context_window' } });
    expect(await failing(DELTA, refusal)).toMatchObject({ detail: { class: 'server' } });
  });
});

describe('The items that clients refer to by their id', () => {
  const request = (tenant?: string) => ({ tenant }) as Parameters<KeptItems['keep']>[2];
  const keep = (items: KeptItems, output: readonly unknown[], account?: string) =>
    items.keep({ id: 'resp_1', output } as unknown as AIResponse, account, request());
  const prepared = (items: KeptItems, ...references: readonly string[]) =>
    items.prepare({ input: references.map((id) => ({ type: 'item_reference', id })) }, undefined);

  afterEach(() => jest.useRealTimers());

  it('are put in place of the references, except those without an id', () => {
    const items = new KeptItems();
    keep(items, [MESSAGE, { type: 'message' }, 'text'], 'account');
    const { chat, responses } = prepared(items, 'msg_1');
    expect(chat.messages).toEqual([{ role: 'assistant', content: 'Hi' }]);
    expect(responses).toMatchObject({ keptAt: 'account', nativeOnly: undefined });
  });

  it('are known by their account only if they are large', () => {
    const items = new KeptItems();
    const content = [{ type: 'output_text', text: 'x'.repeat(2 ** 20) }];
    keep(items, [{ ...MESSAGE, content }], 'account');
    expect(prepared(items, 'msg_1').responses).toMatchObject({
      keptAt: 'account',
      nativeOnly: 'input[0].type',
    });
  });

  it('are forgotten after an hour', () => {
    jest.useFakeTimers();
    const items = new KeptItems();
    keep(items, [MESSAGE], 'account');
    jest.advanceTimersByTime(60 * 60_000 + 1);
    keep(items, [{ ...MESSAGE, id: 'msg_2' }], 'account');
    expect(prepared(items, 'msg_1').responses.keptAt).toBeUndefined();
    expect(prepared(items, 'msg_2').responses.keptAt).toBe('account');
  });

  it('are forgotten, the oldest first, when there are more than 20,000', () => {
    const items = new KeptItems();
    const output = Array.from({ length: 20_001 }, (_, index) => ({ ...MESSAGE, id: `msg_${index}` }));
    keep(items, output, 'account');
    expect(prepared(items, 'msg_0').responses.keptAt).toBeUndefined();
    expect(prepared(items, 'msg_20000').responses.keptAt).toBe('account');
  });
});

describe('A response made from a chat stream whose fields are missing', () => {
  function build(choice: object, model = '') {
    const builder = new ResponseBuilder({ model: 'gpt-4o', input: 'Hi', reasoning: { effort: 'low' } }, 1);
    builder.add({ id: 'c', object: 'chat.completion.chunk', created: 1, model, choices: [choice] } as never);
    builder.end();
    return builder.response;
  }

  it('has the model and the effort of the request', () => {
    expect(build({ delta: { content: 'Hi' } })).toMatchObject({
      model: 'gpt-4o',
      status: 'completed',
      output_text: 'Hi',
      reasoning: { effort: 'low', summary: null },
    });
  });

  it('has the model of the answer if that has one', () => {
    expect(build({ index: 0, delta: { content: 'Hi' } }, 'gpt-4o-2024').model).toBe('gpt-4o-2024');
  });

  it('has no output for a choice other than the first, and for one without a delta', () => {
    expect(build({ index: 1, delta: { content: 'Hi' } }).output).toEqual([]);
    expect(build({ index: 0, finish_reason: 'stop' }).output).toEqual([]);
  });

  it('numbers function calls by their position, gives them an id and leaves out what is none', () => {
    const calls = [
      { id: 'c0', function: { name: 'a', arguments: '{}' } },
      { function: {} },
      'text',
      { id: 'c3' },
    ];
    const { output } = build({ index: 0, delta: { tool_calls: calls } });
    expect(output).toMatchObject([
      { type: 'function_call', call_id: 'c0', name: 'a', arguments: '{}' },
      { type: 'function_call', call_id: expect.stringMatching(/^fc_/) as string, name: '', arguments: '' },
      { type: 'function_call', call_id: 'c3', name: '' },
    ]);
  });
});

describe('A streamed response', () => {
  const error = { message: 'it broke', type: 'server_error', code: 'ERR_AI_STREAM_BROKEN', param: null };
  const failure = (stream?: ResponseEventStream) =>
    RESPONSE_WIRE.failure({ error }, stream)
      .split('\n\n')
      .filter((event) => event !== '')
      .map((event) => JSON.parse(event.split('\ndata: ')[1]!) as Record<string, unknown>);

  function streamOf(...events: readonly object[]): ResponseEventStream {
    async function* read() {
      for (const event of events) yield await Promise.resolve(event);
    }
    const stream = { [CHAT_EVENTS]: read, route: {}, abort: () => undefined };
    return new ResponseEventStream(stream as never, { model: 'm', input: 'Hi' }, () => undefined);
  }
  const out = (isClosed: boolean) => ({ isClosed, write: jest.fn(), destroy: jest.fn() });

  it('that has failed before it began has an event with the error only', () => {
    expect(failure()).toEqual([
      { type: 'error', sequence_number: 0, code: error.code, message: error.message, param: null, error },
    ]);
  });

  it('that has failed after events of the upstream without the response ends with the numbers that follow', async () => {
    const stream = streamOf(
      { native: { type: 'response.output_text.delta', sequence_number: 4, delta: 'Hi' } },
      { native: { type: 'response.output_text.delta', delta: 'Hi' } },
    );
    await RESPONSE_WIRE.write(out(false) as never, stream);
    expect(failure(stream)).toMatchObject([
      {
        type: 'response.failed',
        sequence_number: 5,
        response: { status: 'failed', error: { message: 'it broke' } },
      },
      { type: 'error', sequence_number: 6 },
    ]);
  });

  it('is not written to a client that has disconnected', async () => {
    const closed = out(true);
    await RESPONSE_WIRE.write(
      closed as never,
      streamOf({ native: { type: 'response.created', response: WHOLE } }),
    );
    expect(closed.write).not.toHaveBeenCalled();
  });
});
