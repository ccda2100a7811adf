import type { ChatBody, EmbeddingBody } from '../../lib/call/body';
import type { DialectCall, DialectEndpoint } from '../../lib/provider/dialect';
import { openaiDialect } from '../../lib/provider/openai/openai-dialect';

const endpoint: DialectEndpoint = {
  name: 'e1',
  provider: 'openai',
  maxOutputTokens: undefined,
  model: 'gpt-4o-2024-08-06',
  baseURL: 'https://api.openai.com/v1',
  headers: {},
  streamUsage: true,
  apiKey: 'sk-test',
};

function chat(body: object, stream = false): DialectCall {
  return { operation: 'chat', body: body as ChatBody, stream };
}

function sent(call: DialectCall, at = endpoint): Record<string, unknown> {
  return JSON.parse(openaiDialect.request(call, at).body) as Record<string, unknown>;
}

describe('an OpenAI request', () => {
  const body = { model: 'auto', messages: [{ role: 'user', content: 'hi' }], seed: 7, x_custom: { a: [1] } };

  it("carries the caller's body unchanged except for the endpoint's model", () => {
    expect(sent(chat(body))).toEqual({ ...body, model: 'gpt-4o-2024-08-06' });
    expect(openaiDialect.request(chat(body), endpoint).path).toBe('/chat/completions');
    expect(sent(chat({ messages: body.messages }))).toHaveProperty('model', 'gpt-4o-2024-08-06');
  });

  it("requests the usage of a stream and keeps the caller's other stream options", () => {
    const call = chat({ ...body, stream: true, stream_options: { include_usage: false, x: 1 } }, true);
    expect(sent(call)).toMatchObject({ stream: true, stream_options: { include_usage: true, x: 1 } });
    expect(sent(chat({ ...body, stream: true, stream_options: null }, true)).stream_options).toEqual({
      include_usage: true,
    });
    expect(sent(chat(body))).not.toHaveProperty('stream_options');
  });

  it("does not modify the caller's body", () => {
    const frozen = Object.freeze({ ...body, stream: true, stream_options: Object.freeze({ x: 1 }) });
    openaiDialect.request(chat(frozen, true), endpoint);
    expect(frozen).toEqual({ ...body, stream: true, stream_options: { x: 1 } });
  });

  it("carries all of the caller's fields for embeddings", () => {
    const input: EmbeddingBody = {
      model: 'alias',
      input: ['a', 'b'],
      encoding_format: 'base64',
      dimensions: 8,
    };
    const call: DialectCall = { operation: 'embeddings', body: input, stream: false };
    expect(openaiDialect.request(call, endpoint).path).toBe('/embeddings');
    expect(sent(call)).toEqual({ ...input, model: 'gpt-4o-2024-08-06' });
  });

  it("sends the key as a bearer token; the endpoint's headers override it", () => {
    const { headers } = openaiDialect.request(chat(body), { ...endpoint, headers: { 'X-Team': 'a' } });
    expect(headers).toEqual({
      'content-type': 'application/json',
      accept: 'application/json',
      authorization: 'Bearer sk-test',
      'x-team': 'a',
    });
    const own = { ...endpoint, headers: { Authorization: 'Basic abc' } };
    expect(openaiDialect.request(chat(body, true), own).headers).toMatchObject({
      authorization: 'Basic abc',
      accept: 'text/event-stream',
    });
  });

  it('sends no authorization without a key, and trims the line break of a key read from a file', () => {
    expect(openaiDialect.request(chat(body), { ...endpoint, apiKey: undefined }).headers).not.toHaveProperty(
      'authorization',
    );
    expect(openaiDialect.request(chat(body), { ...endpoint, apiKey: 'k1\n' }).headers.authorization).toBe(
      'Bearer k1',
    );
  });
});

describe('an OpenAI request of a conversation that other providers have begun', () => {
  const id = 'call_'.padEnd(60, 'x');
  const cache_control = { type: 'ephemeral' };
  const messages = [
    { role: 'user', content: [{ type: 'text', text: 'Hi', cache_control }] },
    {
      role: 'assistant',
      content: null,
      reasoning_content: 'Hm.',
      thinking_blocks: [{ type: 'thinking' }],
      tool_calls: [
        { id, type: 'function', function: { name: 'f', arguments: '{}' }, extra_content: { google: {} } },
      ],
    },
    { role: 'tool', tool_call_id: id, content: 'r' },
  ];
  const tools = [{ type: 'function', function: { name: 'f' }, cache_control }];
  const idsOf = (body: Record<string, unknown>) => {
    const [, call, result] = body.messages as { tool_calls?: { id: string }[]; tool_call_id?: string }[];
    return [call?.tool_calls?.[0]?.id, result?.tool_call_id];
  };

  it("leaves out the other providers' fields, and shortens ids, for an API that refuses them", () => {
    const body = sent(chat({ messages, tools }));
    const [callId, resultId] = idsOf(body);
    expect(callId).toMatch(/^[0-9a-f]{32}$/);
    expect(resultId).toBe(callId);
    expect(body).toMatchObject({
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'Hi' }] },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: callId, type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: callId, content: 'r' },
      ],
      tools: [{ type: 'function', function: { name: 'f' } }],
    });
    expect(JSON.stringify(body)).not.toMatch(/cache_control|thinking_blocks|reasoning_content|extra_content/);
  });

  it("has ids of nine letters and digits for Mistral's API", () => {
    const [callId, resultId] = idsOf(
      sent(chat({ messages }), { ...endpoint, baseURL: 'https://api.mistral.ai/v1' }),
    );
    expect(callId).toMatch(/^[a-z0-9]{9}$/);
    expect(resultId).toBe(callId);
  });

  it('is sent unchanged to any other server, which may have added the fields itself', () => {
    const other = { ...endpoint, baseURL: 'https://generativelanguage.googleapis.com/v1beta/openai' };
    expect(sent(chat({ messages, tools }), other)).toMatchObject({ messages, tools });
  });
});

describe('an OpenAI answer', () => {
  const read = (body: unknown) =>
    openaiDialect.answer(
      {
        status: 200,
        headers: {},
        body: typeof body === 'string' ? body : JSON.stringify(body),
      },
      chat({ messages: [] }),
    );
  const choice = { index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'hello' } };

  it('is returned unchanged', () => {
    const answer = { id: 'c1', object: 'chat.completion', choices: [choice], usage: {}, x_vendor: 1 };
    expect(read(answer)).toEqual(answer);
    const vectors = {
      object: 'list',
      data: [
        { index: 0, embedding: [0.5] },
        { index: 1, embedding: 'AAAA' },
      ],
    };
    expect(read(vectors)).toEqual(vectors);
  });

  it.each([
    ['HTML', '<html>secret prompt</html>'],
    ['an empty body', ''],
    ['JSON that is cut short', JSON.stringify({ choices: [choice] }).slice(0, -3)],
  ])('that is %s throws an error that does not quote the body', (_, body) => {
    expect(() => read(body)).toThrow(/^The answer /);
    expect(() => read(body)).not.toThrow(/secret/);
  });
});

describe('an OpenAI failure', () => {
  it('is classified by its status, headers and body', () => {
    const body = JSON.stringify({
      error: { message: 'Rate limit reached', type: 'requests', code: 'rate_limit_exceeded' },
    });
    expect(openaiDialect.failure({ status: 429, headers: { 'retry-after': '2' }, body })).toMatchObject({
      class: 'rate_limited',
      status: 429,
      retryAfterMs: 2000,
    });
  });

  it('reports the rate limits in its headers', () => {
    const reading = openaiDialect.limits({
      'x-ratelimit-limit-requests': '500',
      'x-ratelimit-remaining-requests': '499',
      'x-ratelimit-reset-requests': '120ms',
    });
    expect(reading).toBeDefined();
    expect(openaiDialect.limits({})).toBeUndefined();
  });
});
