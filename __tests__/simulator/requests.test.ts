import { connect } from 'node:net';
import { type SimulatedProvider, startProvider } from '../../lib/simulator';
import { exampleForSchema } from '../../lib/simulator/server/schema-example';

let provider: SimulatedProvider;
beforeAll(async () => {
  provider = await startProvider({
    timeScale: 0,
    errorShare: 0,
    models: { 'gpt-4o': { contextWindow: 5_000 }, embedder: {} },
  });
});
afterAll(() => provider.close());

const CHAT = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello' }] };
const EMBED = { model: 'embedder', input: 'Hello' };
const TOOLS = [
  {
    type: 'function',
    function: { name: 'a', parameters: { properties: { x: { type: 'number', minimum: 3 } } } },
  },
  { type: 'function', function: { name: 'b' } },
  'no tool',
];

interface Answer {
  readonly status: number;
  readonly json: Record<string, unknown>;
}

async function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(`${provider.url}${path}`, { method: 'POST', body: text, headers });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

const chat = (more: object, headers?: Record<string, string>) =>
  post('/chat/completions', { ...CHAT, ...more }, headers);
const embed = (more: object, headers?: Record<string, string>) =>
  post('/embeddings', { ...EMBED, ...more }, headers);

describe('A chat request to SimulatedProvider', () => {
  it.each<[string, unknown, object]>([
    ['a body that is not an object', '[]', { message: 'We could not parse the JSON body of your request.' }],
    ['no model', { ...CHAT, model: '' }, { message: 'you must provide a model parameter' }],
    [
      'no messages',
      { ...CHAT, messages: undefined },
      { code: 'missing_required_parameter', param: 'messages' },
    ],
    ['an empty list of messages', { ...CHAT, messages: [] }, { code: 'empty_array', param: 'messages' }],
    ['half a token', { ...CHAT, max_tokens: 0.5 }, { code: 'integer_below_min_value', param: 'max_tokens' }],
    [
      'no tokens',
      { ...CHAT, max_completion_tokens: 0 },
      { code: 'integer_below_min_value', param: 'max_completion_tokens' },
    ],
    [
      'a length that can not be simulated',
      { ...CHAT, metadata: { simulate_output_tokens: '-1' } },
      { message: 'Expected a whole number of output tokens to simulate.' },
    ],
    [
      'a tool choice that no tool has',
      { ...CHAT, tools: TOOLS, tool_choice: { type: 'function', function: { name: 'c' } } },
      { param: 'tool_choice' },
    ],
    [
      'a required tool without tools',
      { ...CHAT, tools: [], tool_choice: 'required' },
      { param: 'tool_choice' },
    ],
    [
      'more tokens than the model can hold',
      { ...CHAT, max_tokens: 5_000 },
      {
        code: 'context_length_exceeded',
        message: expect.stringContaining('5000 in the completion') as string,
      },
    ],
  ])('with %s is refused with the error of OpenAI', async (_name, body, error) => {
    const { status, json } = await post('/chat/completions', body);
    expect(status).toBe(400);
    expect(json.error).toMatchObject(error);
  });

  it('with a prompt that is too long and no limit of its own is refused', async () => {
    const { status, json } = await chat({}, { 'x-simulate-prompt-tokens': '5001' });
    expect(status).toBe(400);
    expect(json.error).toMatchObject({ message: expect.stringContaining('0 in the completion') as string });
  });

  it.each<[string, object, object]>([
    ['a JSON object', { response_format: { type: 'json_object' } }, { content: '{"answer":"text"}' }],
    [
      'JSON of the schema',
      {
        response_format: {
          type: 'json_schema',
          json_schema: { schema: { properties: { a: { type: 'integer' }, b: { type: 'boolean' } } } },
        },
      },
      { content: '{"a":1,"b":true}' },
    ],
    [
      'a text of a schema that is missing',
      { response_format: { type: 'json_schema' } },
      { content: '"text"' },
    ],
    [
      'the call of a required tool',
      { tools: TOOLS, tool_choice: 'required' },
      { tool_calls: [{ function: { name: 'a', arguments: '{"x":3}' } }] },
    ],
    [
      'the call of a tool without parameters',
      { tools: TOOLS, tool_choice: { type: 'function', function: { name: 'b' } } },
      { tool_calls: [{ function: { name: 'b', arguments: '{}' } }] },
    ],
  ])('is answered with %s', async (_name, more, message) => {
    const { status, json } = await chat(more);
    expect(status).toBe(200);
    expect(json.choices).toMatchObject([{ message }]);
  });

  it('is answered with words of the requested length unless it asks for another form', async () => {
    for (const response_format of [{ type: 'text' }, undefined])
      expect(
        (await chat({ response_format, metadata: { simulate_output_tokens: '7' } })).json.usage,
      ).toMatchObject({
        completion_tokens: 7,
      });
  });
});

describe('exampleForSchema()', () => {
  const deep = (depth: number): object => (depth === 0 ? { type: 'null' } : { anyOf: [deep(depth - 1)] });
  it.each<[unknown, unknown]>([
    [true, 'text'],
    [{ const: 5 }, 5],
    [{ enum: ['x', 'y'] }, 'x'],
    [{ oneOf: [{ type: 'boolean' }, { type: 'string' }] }, true],
    [{ type: ['null', 'string'] }, null],
    [{ type: 'array' }, []],
    [{ type: 'array', items: { type: 'string' } }, ['text']],
    [{ type: 'number' }, 1],
    [{ type: 'object' }, {}],
    [deep(8), null],
    [deep(9), 'text'],
  ])('returns for the schema %j the value %j', (schema, value) => {
    expect(exampleForSchema(schema)).toEqual(value);
  });
});

describe('An embeddings request to SimulatedProvider', () => {
  it.each<[string, unknown, object]>([
    ['no input', { input: null }, { code: 'missing_required_parameter', param: 'input' }],
    ['an empty text', { input: '' }, { param: 'input' }],
    ['an empty list', { input: [] }, { param: 'input' }],
    ['a list with something else than texts', { input: ['a', {}] }, { param: 'input' }],
    ['a list with an empty list of tokens', { input: ['a', []] }, { param: 'input' }],
    ['too many texts', { input: Array.from({ length: 2_049 }, () => 'a') }, { param: 'input' }],
    ['half a dimension', { dimensions: 1.5 }, { param: 'dimensions' }],
    ['no dimension', { dimensions: 0 }, { param: 'dimensions' }],
    ['too many dimensions', { dimensions: 4_097 }, { param: 'dimensions' }],
    ['dimensions that are a text', { dimensions: '8' }, { param: 'dimensions' }],
  ])('with %s is refused with the error of OpenAI', async (_name, more, error) => {
    const { status, json } = await embed(more as object);
    expect(status).toBe(400);
    expect(json.error).toMatchObject(error);
  });

  it.each<[string, object, number, number]>([
    ['texts', { input: ['a', 'b'] }, 2, 2],
    ['a list of tokens', { input: [1, 2, 3] }, 1, 3],
    ['lists of tokens', { input: [[1, 2], [3]] }, 2, 3],
  ])('may have %s as its input', async (_name, more, count, tokens) => {
    const { json } = await embed({ dimensions: 4, ...more });
    expect(json.data).toHaveLength(count);
    expect(json.usage).toEqual({ prompt_tokens: tokens, total_tokens: tokens });
  });

  it('is answered with unit vectors that depend on the text only, in the requested format', async () => {
    const [list, base64] = await Promise.all(
      ['float', 'base64'].map(async (encoding_format) => {
        const { json } = await embed({ dimensions: 4, encoding_format });
        return (json.data as { embedding: unknown }[])[0]?.embedding;
      }),
    );
    const bytes = Buffer.from(base64 as string, 'base64');
    expect(list).toEqual([0, 4, 8, 12].map((at) => bytes.readFloatLE(at)));
    expect(Math.hypot(...(list as number[]))).toBeCloseTo(1, 5);
  });

  it('is refused like a chat while a fault is active', async () => {
    const fault = provider.fault({ kind: 'err5xx', status: 503 });
    expect((await embed({})).status).toBe(503);
    await fault.end();
    expect((await embed({})).status).toBe(200);
  });
});

describe('SimulatedProvider', () => {
  it('refuses a body of more than 32 MB', async () => {
    const response = await fetch(`${provider.url}/embeddings`, {
      method: 'POST',
      body: Buffer.alloc(32 * 2 ** 20 + 1, ' '),
    }).catch(() => undefined);
    // The connection may be closed before the whole body is sent.
    expect(response?.status ?? 413).toBe(413);
  });

  it('records no requests if recordRequests is 0', async () => {
    const quiet = await startProvider({ timeScale: 0, errorShare: 0, recordRequests: 0 });
    await fetch(`${quiet.url}/models`);
    expect(quiet.requests).toEqual([]);
    await quiet.close();
  });

  it('lists its models, and each of them', async () => {
    const list = (await (await fetch(`${provider.url}/models`)).json()) as { data: { id: string }[] };
    expect(list.data.map(({ id }) => id)).toEqual(['gpt-4o', 'embedder']);
    expect(await (await fetch(`${provider.url}/models/embedder`)).json()).toMatchObject({ id: 'embedder' });
    const missing = await fetch(`${provider.url}/models/gpt-9`);
    expect(missing.status).toBe(404);
    expect(await missing.json()).toMatchObject({ error: { code: 'model_not_found' } });
  });

  it('accepts only its keys, if it has any', async () => {
    const closed = await startProvider({ timeScale: 0, errorShare: 0, keys: ['sk-1'] });
    const ask = async (headers: Record<string, string>) => {
      const response = await fetch(`${closed.url}/chat/completions`, {
        method: 'POST',
        body: JSON.stringify(CHAT),
        headers,
      });
      const { error } = (await response.json()) as { error?: { message: string } };
      return [response.status, error?.message];
    };
    expect(await ask({})).toEqual([401, "You didn't provide an API key."]);
    expect(await ask({ authorization: 'Bearer sk-2' })).toEqual([401, 'Incorrect API key provided.']);
    expect(await ask({ authorization: 'Bearer sk-1' })).toEqual([200, undefined]);
    // The header of Azure.
    expect(await ask({ 'api-key': 'sk-1' })).toEqual([200, undefined]);
    await closed.close();
  });

  it('survives a client that disconnects while it sends its request', async () => {
    const seen = provider.stats().seen;
    const socket = connect(provider.port, '127.0.0.1');
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => undefined);
    socket.write('POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\n{"model":');
    await new Promise((resolve) => setImmediate(resolve));
    socket.destroy();
    await closed;
    expect((await chat({})).status).toBe(200);
    expect(provider.stats().seen).toBe(seen + 1);
  });
});
