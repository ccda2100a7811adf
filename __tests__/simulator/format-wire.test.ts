import { type Fault, type SimulatedProvider, startProvider } from '../../lib/simulator';

let provider: SimulatedProvider;
beforeAll(async () => {
  const models = { m: { rpm: 600, tpm: 60_000 }, small: { contextWindow: 10 } };
  provider = await startProvider({ timeScale: 0, errorShare: 0, models, recordBodies: true });
});
afterEach(() => provider.clearFaults());
afterAll(() => provider.close());

const CLAUDE = { model: 'm', max_tokens: 50, messages: [{ role: 'user', content: 'Hello' }] };
const GEMINI = { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] };
const OPENAI = { messages: [{ role: 'user', content: 'Hello' }] };
const VERSION = { 'anthropic-version': '2023-06-01' };
const LENGTH = { 'x-simulate-output-tokens': '3' };
const AZURE = '/openai/deployments/m/chat/completions?api-version=2024-10-21'; // terms-ok: Azure's path

async function send(path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`http://127.0.0.1:${provider.port}${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { ...LENGTH, ...headers },
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text };
}

async function json(path: string, body: unknown, headers?: Record<string, string>) {
  const { text, ...rest } = await send(path, body, headers);
  return { ...rest, json: JSON.parse(text) as Record<string, unknown> };
}

const claude = (more: object = {}) => json('/v1/messages', { ...CLAUDE, ...more }, VERSION);
const gemini = (more: object = {}, method = 'generateContent') =>
  json(`/v1beta/models/m:${method}`, { ...GEMINI, ...more });

/** The data of each event, with the event's name. */
function eventsOf(sse: string): { name: string | undefined; data: Record<string, unknown> }[] {
  return sse
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => ({
      name: /^event: (.+)$/m.exec(block)?.[1],
      data: JSON.parse(/^data: (.+)$/m.exec(block)?.[1] ?? 'null') as Record<string, unknown>,
    }));
}

async function failedWith(fault: Fault, ask: () => Promise<{ status: number; json: object }>) {
  provider.fault({ ...fault, calls: 1 });
  const { status, json: body } = await ask();
  return { status, body };
}

describe("The simulator in Anthropic's format", () => {
  it('answers with a message, its usage, and the headers of the API', async () => {
    const { status, headers, json: message } = await claude();
    expect(status).toBe(200);
    expect(message).toMatchObject({
      id: expect.stringMatching(/^msg_/) as string,
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [{ type: 'text', text: 'thank you for' }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: { input_tokens: 9, output_tokens: 3 },
    });
    expect(headers.get('request-id')).toMatch(/^req_/);
    expect(headers.get('anthropic-ratelimit-requests-limit')).toBe('600');
    expect(headers.get('anthropic-ratelimit-tokens-limit')).toBe('60000');
    expect(headers.get('anthropic-ratelimit-tokens-reset')).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect([...headers.keys()].filter((name) => /openai|x-ratelimit/.test(name))).toEqual([]);
    expect(provider.requests.at(-1)).toMatchObject({ path: '/v1/messages', model: 'm', body: CLAUDE });
  });

  it('streams the events of a message in their order, each named by its type', async () => {
    const events = eventsOf((await send('/v1/messages', { ...CLAUDE, stream: true }, VERSION)).text);
    expect(events.every(({ name, data }) => name === data.type)).toBe(true);
    const types = events.map(({ name }) => name).filter((name) => name !== 'content_block_delta');
    expect(types).toEqual([
      ...['message_start', 'content_block_start', 'ping'],
      ...['content_block_stop', 'message_delta', 'message_stop'],
    ]);
    expect(events[0]?.data).toMatchObject({
      message: { content: [], stop_reason: null, usage: { input_tokens: 9, output_tokens: 1 } },
    });
    expect(events.at(-2)?.data).toMatchObject({
      delta: { stop_reason: 'end_turn' },
      usage: { output_tokens: 3 },
    });
  });

  it('calls a tool, and leaves its input empty if max_tokens cuts it off', async () => {
    const tools = [
      { name: 'find', input_schema: { type: 'object', properties: { days: { type: 'integer' } } } },
    ];
    for (const tool_choice of [{ type: 'any' }, { type: 'tool', name: 'find' }]) {
      expect((await claude({ tools, tool_choice })).json).toMatchObject({
        stop_reason: 'tool_use',
        content: [
          {
            type: 'tool_use',
            id: expect.stringMatching(/^toolu_/) as string,
            name: 'find',
            input: { days: 1 },
          },
        ],
      });
    }
    expect((await claude({ tools, tool_choice: { type: 'any' }, max_tokens: 1 })).json).toMatchObject({
      stop_reason: 'max_tokens',
      content: [{ name: 'find', input: {} }],
    });
    expect((await claude({ tools, tool_choice: { type: 'auto' } })).json).toMatchObject({
      content: [{ type: 'text' }],
    });
  });

  it('answers with JSON of a schema', async () => {
    const schema = { type: 'object', properties: { ok: { type: 'boolean' } } };
    const { json: message } = await claude({ output_config: { format: { type: 'json_schema', schema } } });
    expect(message.content).toMatchObject([{ type: 'text', text: '{"ok":true}' }]);
  });

  it.each<[string, object, RegExp]>([
    ['no model', { model: undefined }, /^model: Field required/],
    ['no max_tokens', { max_tokens: undefined }, /^max_tokens: Field required/],
    ['half a token', { max_tokens: 0.5 }, /^max_tokens: Input should be/],
    ['no messages', { messages: undefined }, /^messages: Field required/],
    ['an empty list of messages', { messages: [] }, /^messages: at least one message/],
    ['a message that is a text', { messages: ['Hello'] }, /^messages\.0: Input should be an object/],
    [
      'a system message',
      { messages: [{ role: 'system', content: 'a' }] },
      /^messages: Unexpected role "system"/,
    ],
    ['a message without content', { messages: [{ role: 'user' }] }, /^messages\.0\.content: Field required/],
  ])('refuses a request with %s', async (_name, more, message) => {
    expect(await claude(more)).toMatchObject({
      status: 400,
      json: {
        type: 'error',
        error: { type: 'invalid_request_error', message: expect.stringMatching(message) as string },
        request_id: expect.stringMatching(/^req_/) as string,
      },
    });
  });

  it('refuses a request without anthropic-version, and answers 404 at paths that it does not serve', async () => {
    expect(await json('/v1/messages', CLAUDE)).toMatchObject({
      status: 400,
      json: { error: { type: 'invalid_request_error', message: 'anthropic-version: header is required' } },
    });
    expect(await json('/v1/messages/count_tokens', CLAUDE, VERSION)).toMatchObject({
      status: 404,
      json: { type: 'error', error: { type: 'not_found_error' } },
    });
  });

  it.each<[Fault, number, string]>([
    [{ kind: 'err5xx' }, 500, 'api_error'],
    [{ kind: 'err5xx', status: 503 }, 529, 'overloaded_error'],
    [{ kind: 'err5xx', status: 529 }, 529, 'overloaded_error'],
    [{ kind: 'storm429', share: 1 }, 429, 'rate_limit_error'],
    [{ kind: 'unauthorized' }, 401, 'authentication_error'],
    [{ kind: 'quota_exhausted' }, 400, 'invalid_request_error'],
    [{ kind: 'model_missing' }, 404, 'not_found_error'],
    [{ kind: 'error', status: 403 }, 403, 'permission_error'],
    [{ kind: 'error', status: 418 }, 418, 'invalid_request_error'],
    [{ kind: 'error', status: 400, type: 'own' }, 400, 'own'],
    [{ kind: 'bad_answer', form: 'error_object' }, 200, 'api_error'],
  ])('answers the fault %j with status %i and the type %s', async (fault, status, type) => {
    const { status: got, body } = await failedWith(fault, claude);
    expect(got).toBe(status);
    expect(body).toMatchObject({ type: 'error', error: { type } });
  });

  it('sends the error that breaks a stream as the event error', async () => {
    provider.fault({ kind: 'bad_answer', form: 'error_object', calls: 1 });
    const events = eventsOf((await send('/v1/messages', { ...CLAUDE, stream: true }, VERSION)).text);
    expect(events.at(-1)).toMatchObject({
      name: 'error',
      data: { type: 'error', error: { type: 'api_error' } },
    });
  });

  it('has malformed answers of its own', async () => {
    const bad = (form: 'empty_choices' | 'no_finish') => failedWith({ kind: 'bad_answer', form }, claude);
    expect((await bad('empty_choices')).body).toMatchObject({ type: 'message', content: [] });
    expect((await bad('no_finish')).body).toMatchObject({ stop_reason: null });
  });

  it('names the numbers of a prompt that is too long', async () => {
    expect((await claude({ model: 'small' })).json).toMatchObject({
      error: { type: 'invalid_request_error', message: 'prompt is too long: 59 tokens > 10 maximum' },
    });
  });
});

describe("The simulator in Azure's format", () => {
  it("serves the model in the path, with the answer of OpenAI's API", async () => {
    const { status, headers, json: body } = await json(AZURE, OPENAI);
    expect(status).toBe(200);
    expect(body).toMatchObject({ object: 'chat.completion', model: 'm', usage: { prompt_tokens: 9 } });
    expect(headers.get('apim-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(headers.get('x-ratelimit-limit-tokens')).toBe('60000');
    expect(provider.requests.at(-1)).toMatchObject({ model: 'm' });
    const listed = await fetch(`http://127.0.0.1:${provider.port}/openai/v1/models/m`);
    expect(await listed.json()).toMatchObject({ id: 'm' });
  });

  it('answers 404 without api-version and at paths that it does not serve', async () => {
    for (const path of [AZURE.replace(/\?.*/, ''), '/openai/v1/responses']) {
      expect(await json(path, OPENAI)).toMatchObject({
        status: 404,
        json: { error: { code: '404', message: 'Resource not found' } },
      });
    }
  });

  it.each<[Fault, number, string | null]>([
    [{ kind: 'unauthorized' }, 401, '401'],
    [{ kind: 'model_missing' }, 404, 'DeploymentNotFound'],
    [{ kind: 'storm429', share: 1 }, 429, 'RateLimitReached'],
    [{ kind: 'err5xx' }, 500, null],
    [{ kind: 'error', status: 400, code: 'content_filter' }, 400, 'content_filter'],
  ])('answers the fault %j with status %i and the code %s', async (fault, status, code) => {
    const { status: got, body } = await failedWith(fault, () => json(AZURE, OPENAI));
    expect(got).toBe(status);
    expect(body).toMatchObject({ error: { code } });
  });
});

describe("The simulator in Gemini's format", () => {
  it('answers with a candidate and its usage', async () => {
    const { status, json: body } = await gemini();
    expect(status).toBe(200);
    expect(body).toMatchObject({
      candidates: [
        { content: { role: 'model', parts: [{ text: 'thank you for' }] }, finishReason: 'STOP', index: 0 },
      ],
      usageMetadata: { promptTokenCount: 9, candidatesTokenCount: 3, totalTokenCount: 12 },
      modelVersion: 'm',
    });
    expect(provider.requests.at(-1)).toMatchObject({ path: '/v1beta/models/m:generateContent', model: 'm' });
  });

  it('streams with alt=sse only, and ends with the finish reason', async () => {
    const path = '/v1beta/models/m:streamGenerateContent';
    const events = eventsOf((await send(`${path}?alt=sse`, GEMINI)).text).map(({ data }) => data);
    expect(events.at(-1)).toMatchObject({
      candidates: [{ finishReason: 'STOP' }],
      usageMetadata: { totalTokenCount: 12 },
    });
    expect(events[0]).not.toHaveProperty('candidates.0.finishReason');
    expect(await json(path, GEMINI)).toMatchObject({
      status: 400,
      json: { error: { status: 'INVALID_ARGUMENT' } },
    });
  });

  it('calls an allowed function, whose schema may have types in upper case', async () => {
    const parameters = { type: 'OBJECT', properties: { days: { type: 'INTEGER' } } };
    const tools = [{ functionDeclarations: [{ name: 'other' }, { name: 'find', parameters }] }];
    const calling = { mode: 'ANY', allowedFunctionNames: ['find'] };
    const body = { tools, toolConfig: { functionCallingConfig: calling } };
    expect((await gemini(body)).json).toMatchObject({
      candidates: [
        { content: { parts: [{ functionCall: { name: 'find', args: { days: 1 } } }] }, finishReason: 'STOP' },
      ],
    });
    expect((await gemini({ ...body, generationConfig: { maxOutputTokens: 1 } })).json).toMatchObject({
      candidates: [{ content: { parts: [] }, finishReason: 'MAX_TOKENS' }],
    });
  });

  it.each([
    [{}, '{"answer":"text"}'],
    [{ responseSchema: { type: 'OBJECT', properties: { ok: { type: 'BOOLEAN' } } } }, '{"ok":true}'],
    [{ responseJsonSchema: { type: 'object', properties: { ok: { type: 'boolean' } } } }, '{"ok":true}'],
  ])('answers with JSON for %j', async (schema, text) => {
    const generationConfig = { responseMimeType: 'application/json', ...schema };
    expect((await gemini({ generationConfig })).json).toMatchObject({
      candidates: [{ content: { parts: [{ text }] } }],
    });
  });

  it('embeds one content, or several', async () => {
    const content = { parts: [{ text: 'Hello' }] };
    const one = await gemini({ content, outputDimensionality: 4 }, 'embedContent');
    const request = { model: 'models/m', content, outputDimensionality: 4 };
    const several = await gemini({ requests: [request, request] }, 'batchEmbedContents');
    const { values } = one.json.embedding as { values: number[] };
    expect(values).toHaveLength(4);
    expect(several.json).toMatchObject({
      embeddings: [{ values }, { values }],
      usageMetadata: { promptTokenCount: 4 },
    });
    expect((await gemini({ requests: [] }, 'batchEmbedContents')).status).toBe(400);
  });

  it.each<[Fault, number, string, string | undefined]>([
    [{ kind: 'err5xx' }, 500, 'INTERNAL', undefined],
    [{ kind: 'err5xx', status: 503 }, 503, 'UNAVAILABLE', undefined],
    [{ kind: 'storm429', share: 1 }, 429, 'RESOURCE_EXHAUSTED', 'RetryInfo'],
    [{ kind: 'unauthorized' }, 400, 'INVALID_ARGUMENT', 'ErrorInfo'],
    [{ kind: 'quota_exhausted' }, 429, 'RESOURCE_EXHAUSTED', 'QuotaFailure'],
    [{ kind: 'model_missing' }, 404, 'NOT_FOUND', undefined],
    [{ kind: 'error', status: 403 }, 403, 'PERMISSION_DENIED', undefined],
    [{ kind: 'bad_answer', form: 'error_object' }, 200, 'INTERNAL', undefined],
  ])('answers the fault %j with status %i, %s and the detail %s', async (fault, code, status, detail) => {
    provider.fault({ ...fault, calls: 1 });
    const { status: got, headers, json: body } = await gemini();
    expect(got).toBe(code);
    expect(headers.has('retry-after')).toBe(false);
    const { error } = body as { error: { details?: { '@type': string }[] } };
    expect(error).toMatchObject({ status, ...(code !== 200 && { code }) });
    expect(error.details?.at(-1)?.['@type']).toBe(detail && `type.googleapis.com/google.rpc.${detail}`);
  });

  it('refuses a request without contents, and has malformed answers of its own', async () => {
    expect((await gemini({ contents: [] })).json).toMatchObject({
      error: { code: 400, status: 'INVALID_ARGUMENT' },
    });
    const empty = await failedWith({ kind: 'bad_answer', form: 'empty_choices' }, gemini);
    expect(empty.body).toMatchObject({ candidates: [] });
    const unfinished = await failedWith({ kind: 'bad_answer', form: 'no_finish' }, gemini);
    expect(unfinished.body).not.toHaveProperty('candidates.0.finishReason');
  });

  it('accepts its key in a header and in the query, which is not recorded', async () => {
    const closed = await startProvider({ timeScale: 0, errorShare: 0, keys: ['k1'], models: { m: {} } });
    const ask = (query: string, headers: Record<string, string> = {}) =>
      fetch(`http://127.0.0.1:${closed.port}/v1beta/models/m:generateContent${query}`, {
        method: 'POST',
        body: JSON.stringify(GEMINI),
        headers,
      });
    expect((await ask('?key=k1')).status).toBe(200);
    expect((await ask('', { 'x-goog-api-key': 'k1' })).status).toBe(200);
    expect((await ask('?key=k2')).status).toBe(400);
    expect(JSON.stringify(closed.requests)).not.toContain('k1');
    await closed.close();
  });

  it('answers 404 in its own shape at paths that it does not serve', async () => {
    for (const path of ['/v1beta/models/m:countTokens', '/v1/models/m:countTokens', '/v1beta/files'])
      expect(await json(path, GEMINI)).toMatchObject({
        status: 404,
        json: { error: { status: 'NOT_FOUND' } },
      });
  });
});
