import fc from 'fast-check';
import {
  checkCallOptions,
  checkChatBody,
  checkContext,
  checkEmbeddingBody,
  checkResponseBody,
} from '../../lib/call/check-body';
import { AiBalancerError } from '../../lib/errors';

const messages = [{ role: 'user', content: 'hi' }];

function faultOf(check: () => void): string {
  try {
    check();
  } catch (error) {
    if (!AiBalancerError.isInstance(error)) throw error;
    expect(error).toMatchObject({ code: 'ERR_AI_BAD_REQUEST', status: 400 });
    expect(error.message).toContain(error.param);
    return error.message;
  }
  return 'no fault';
}

describe('checkChatBody', () => {
  it.each([
    { messages },
    { messages, model: 'gpt-4o', max_tokens: 5, stream: true, stream_options: { include_usage: true }, n: 2 },
    { messages, max_tokens: null, max_completion_tokens: null, stream: null, n: null, temperature: null },
    {
      messages: [
        { role: 'assistant', tool_calls: [] },
        { role: 'tool', content: null },
      ],
      anything: 'else',
    },
    { messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }], temperature: 0 },
    { messages, model: undefined, tools: undefined },
  ])('accepts %j', (body) => {
    expect(faultOf(() => checkChatBody(body))).toBe('no fault');
  });

  it.each([
    ['body', undefined],
    ['body', null],
    ['body', []],
    ['body', 'hi'],
    ['messages', {}],
    ['messages', { messages: [] }],
    ['messages', { messages: 'hi' }],
    ['messages[1]', { messages: [...messages, null] }],
    ['messages[0].role', { messages: [{ content: 'hi' }] }],
    ['messages[0].role', { messages: [{ role: 7, content: 'hi' }] }],
    ['messages[0].content', { messages: [{ role: 'user', content: 7 }] }],
    ['messages[0].content', { messages: [{ role: 'user', content: {} }] }],
    ['model', { messages, model: 5 }],
    ['model', { messages, model: '' }],
    ['model', { messages, model: null }],
    ['max_tokens', { messages, max_tokens: Number.NaN }],
    ['max_tokens', { messages, max_tokens: -1 }],
    ['max_tokens', { messages, max_tokens: 0 }],
    ['max_tokens', { messages, max_tokens: '100' }],
    ['max_completion_tokens', { messages, max_completion_tokens: 1.5 }],
    ['n', { messages, n: 0 }],
    ['temperature', { messages, temperature: Number.NaN }],
    ['stream', { messages, stream: 'yes' }],
    ['stream_options', { messages, stream_options: [] }],
    ['tools', { messages, tools: {} }],
    ['response_format', { messages, response_format: 'json' }],
  ])('names the invalid field: %s in %j', (field, body) => {
    expect(faultOf(() => checkChatBody(body))).toMatch(
      new RegExp(`^${field.replace(/[[\].]/g, '\\$&')}: expected .+, got .+$`),
    );
  });

  it('never quotes the body', () => {
    expect(faultOf(() => checkChatBody({ messages: 'my secret' }))).not.toContain('secret');
    expect(
      faultOf(() => checkChatBody({ messages: [{ role: 'user', content: { text: 'my secret' } }] })),
    ).not.toContain('secret');
  });
});

describe('checkEmbeddingBody', () => {
  const model = 'text-embedding-3-small';

  it.each(['hi', ['a', 'b'], [1, 2], [[1], [2, 3]]])('accepts the input %j', (input) => {
    expect(faultOf(() => checkEmbeddingBody({ model, input }))).toBe('no fault');
  });

  it.each([
    ['input', { model }],
    ['input', { model, input: '' }],
    ['input', { model, input: [] }],
    ['input', { model, input: ['a', 1] }],
    ['input', { model, input: ['a', ''] }],
    ['input', { model, input: [1.5] }],
    ['input', { model, input: [[1], []] }],
    ['input', { model, input: { text: 'a' } }],
    ['model', { input: 'a' }],
    ['model', { input: 'a', model: 'auto' }],
    ['dimensions', { model, input: 'a', dimensions: -1 }],
    ['encoding_format', { model, input: 'a', encoding_format: 'hex' }],
    ['body', undefined],
  ])('names the invalid field: %s in %j', (field, body) => {
    expect(faultOf(() => checkEmbeddingBody(body))).toMatch(new RegExp(`^${field}: expected`));
  });
});

describe('checkResponseBody', () => {
  it.each([
    { input: 'hi' },
    { input: [{ role: 'user', content: 'hi' }] },
    { previous_response_id: 'resp_1' },
    { prompt: { id: 'p' }, input: null },
    { conversation: 'conv_1', input: 'hi' },
  ])('accepts %j', (body) => {
    expect(faultOf(() => checkResponseBody(body))).toBe('no fault');
  });

  it.each([
    ['body', undefined],
    ['body', 'hi'],
    ['input', {}],
    ['input', { input: null }],
    ['input', { input: '' }],
    ['input', { input: [] }],
    ['input', { input: ['hi'] }],
    ['input', { previous_response_id: 'resp_1', input: 7 }],
  ])('names the invalid field: %s in %j', (field, body) => {
    expect(faultOf(() => checkResponseBody(body))).toMatch(new RegExp(`^${field}: expected`));
  });
});

describe('checkCallOptions', () => {
  it.each([
    undefined,
    {},
    { priority: 5, type: 'code', maxLatencyMs: 0.5, maxCostPer1k: 0, minQuality: 1, tags: [] },
    { signal: new AbortController().signal, timeoutMs: 1000, fallbacks: false, hedge: false, endpoint: 'a' },
    { fallbacks: ['gpt-4o'], tenant: 't', session: 's', estimatedTokens: 10, estimatedOutputTokens: 0 },
    { priority: undefined, signal: undefined },
  ])('accepts %j', (options) => {
    expect(faultOf(() => checkCallOptions(options))).toBe('no fault');
  });

  it.each([
    ['priority', 7],
    ['priority', 2.5],
    ['priority', '3'],
    ['priority', 0],
    ['type', 'poem'],
    ['requestId', ''],
    ['maxLatencyMs', Number.NaN],
    ['maxLatencyMs', -5],
    ['maxCostPer1k', -0.1],
    ['minQuality', 1.5],
    ['estimatedTokens', -1],
    ['estimatedOutputTokens', Infinity],
    ['tenant', 5],
    ['tenant', 'x'.repeat(513)],
    ['session', null],
    ['tags', 'eu'],
    ['tags', ['eu', 1]],
    ['signal', { aborted: false }],
    ['signal', 'abort'],
    ['timeoutMs', 0],
    ['fallbacks', true],
    ['fallbacks', [1]],
    ['hedge', 'no'],
    ['endpoint', ''],
  ])('names the invalid option: %s: %j', (option, value) => {
    expect(faultOf(() => checkCallOptions({ [option]: value }))).toMatch(
      new RegExp(`^${option}: expected .+, got .+`),
    );
  });

  it('rejects an unknown option', () => {
    expect(faultOf(() => checkCallOptions({ prioritty: 3 }))).toBe(
      "prioritty: unknown option, did you mean 'priority'?",
    );
    expect(faultOf(() => checkCallOptions({ timeout: 3 }))).toContain("did you mean 'timeoutMs'?");
    expect(faultOf(() => checkCallOptions({ zzzzzzzz: 3 }))).toBe('zzzzzzzz: unknown option');
    expect(faultOf(() => checkCallOptions([]))).toBe('options: expected an object, got an empty array');
    expect(faultOf(() => checkContext({ timeoutMs: 3 }))).toContain('timeoutMs: unknown option');
    expect(faultOf(() => checkContext({ priority: 5, tenant: 't' }))).toBe('no fault');
  });
});

describe('The checks of bodies and options', () => {
  it('throw nothing but ERR_AI_BAD_REQUEST for any value', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        faultOf(() => checkChatBody(value));
        faultOf(() => checkChatBody({ messages: value }));
        faultOf(() => checkChatBody({ messages: [value] }));
        faultOf(() => checkEmbeddingBody({ model: 'm', input: value }));
        faultOf(() => checkCallOptions(value));
        faultOf(() => checkCallOptions({ tags: value, signal: value }));
      }),
    );
  });
});
