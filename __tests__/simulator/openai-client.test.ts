import OpenAI, {
  APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
} from 'openai';
import { type ProviderOptions, type SimulatedProvider, startProvider } from '../../lib/simulator';

let provider: SimulatedProvider;
afterEach(() => provider.close());

const MODEL = { rpm: 600, tpm: 100_000, price: { input: 1, output: 2 } };
const BODY = {
  model: 'gpt-4o',
  messages: [{ role: 'user' as const, content: 'Where is my order?' }],
  max_tokens: 50,
};
const TOOL = {
  type: 'function' as const,
  function: {
    name: 'find_order',
    parameters: {
      type: 'object',
      properties: { id: { type: 'string' }, days: { type: 'integer' }, state: { enum: ['sent', 'lost'] } },
    },
  },
};

async function start(options: ProviderOptions = {}) {
  provider = await startProvider({ timeScale: 0.01, errorShare: 0, models: { 'gpt-4o': MODEL }, ...options });
  return new OpenAI({ baseURL: provider.url, apiKey: 'sk-test', maxRetries: 0 });
}

function tokensAsked(output: number, prompt = 20) {
  return {
    headers: { 'x-simulate-output-tokens': String(output), 'x-simulate-prompt-tokens': String(prompt) },
  };
}

async function failure(call: Promise<unknown>): Promise<APIError> {
  const error: unknown = await call.then(() => undefined).catch((thrown: unknown) => thrown);
  if (error instanceof APIError) return error;
  throw new Error(`Expected an APIError, got ${String(error)}`);
}

describe('the openai package against a SimulatedProvider', () => {
  it('reads a whole answer with its usage and headers', async () => {
    const client = await start();
    const { data, response, request_id } = await client.chat.completions
      .create(BODY, tokensAsked(12))
      .withResponse();
    expect(data.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { role: 'assistant', content: 'thank you for writing to us about your order it left our' },
    });
    expect(data.usage).toMatchObject({ prompt_tokens: 20, completion_tokens: 12, total_tokens: 32 });
    expect(request_id).toMatch(/^req_/);
    expect(response.headers.get('x-ratelimit-limit-tokens')).toBe('100000');
    expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('599');
    expect(response.headers.get('openai-processing-ms')).toMatch(/^\d+$/);
  });

  it('gets an answer cut off at max_tokens with finish_reason length', async () => {
    const client = await start();
    const answer = await client.chat.completions.create(BODY, tokensAsked(80));
    expect(answer.choices[0]?.finish_reason).toBe('length');
    expect(answer.usage?.completion_tokens).toBe(50);
  });

  it('can set the lengths of prompt and answer in metadata', async () => {
    const client = await start();
    const metadata = { simulate_output_tokens: '7', simulate_prompt_tokens: '900' };
    const answer = await client.chat.completions.create({ ...BODY, metadata });
    expect(answer.usage).toMatchObject({ prompt_tokens: 900, completion_tokens: 7 });
  });

  it('reads a stream: role, content chunks, finish reason, and usage only if requested', async () => {
    const client = await start({ timeScale: 1 });
    for (const include_usage of [true, false]) {
      const stream = await client.chat.completions.create(
        { ...BODY, stream: true, stream_options: { include_usage } },
        tokensAsked(40),
      );
      const chunks = [];
      for await (const chunk of stream) chunks.push(chunk);
      expect(chunks[0]?.choices[0]).toMatchObject({
        delta: { role: 'assistant', content: '' },
        finish_reason: null,
      });
      const pieces = chunks.filter((chunk) => chunk.choices[0]?.delta.content);
      expect(pieces.length).toBeGreaterThan(2);
      const text = pieces.map((chunk) => chunk.choices[0]?.delta.content).join('');
      expect(text.split(' ')).toHaveLength(40);
      expect(chunks.filter((chunk) => chunk.choices[0]?.finish_reason === 'stop')).toHaveLength(1);
      const usages = chunks.filter((chunk) => chunk.usage);
      expect(usages).toHaveLength(include_usage ? 1 : 0);
      if (include_usage)
        expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 40 } });
    }
  });

  it('gets a stream that ends with [DONE]', async () => {
    await start();
    const response = await fetch(`${provider.url}/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ ...BODY, stream: true }),
    });
    expect(response.headers.get('content-type')).toMatch('text/event-stream');
    expect(await response.text()).toMatch(/\n\ndata: \[DONE\]\n\n$/);
  });

  it('gets a tool call, whole and streamed', async () => {
    const client = await start();
    const body = { ...BODY, tools: [TOOL], tool_choice: 'required' as const };
    const whole = await client.chat.completions.create(body);
    expect(whole.choices[0]?.finish_reason).toBe('tool_calls');
    const [call] = whole.choices[0]?.message.tool_calls ?? [];
    if (call?.type !== 'function') throw new Error('no function call');
    expect(call.function.name).toBe('find_order');
    expect(JSON.parse(call.function.arguments)).toEqual({ id: 'text', days: 1, state: 'sent' });

    const named = { type: 'function' as const, function: { name: 'find_order' } };
    const runner = client.chat.completions.stream({ ...body, tool_choice: named });
    const message = await runner.finalMessage();
    const [streamed] = message.tool_calls ?? [];
    expect(streamed?.type === 'function' && streamed.function).toMatchObject({
      name: 'find_order',
      arguments: call.function.arguments,
    });
  });

  it('gets JSON that matches the requested schema', async () => {
    const client = await start();
    const schema = { type: 'object', properties: { ok: { type: 'boolean' } } };
    const response_format = { type: 'json_schema' as const, json_schema: { name: 'n', schema } };
    const answer = await client.chat.completions.create({ ...BODY, response_format });
    expect(JSON.parse(answer.choices[0]?.message.content ?? '')).toEqual({ ok: true });
  });

  it('gets the text that the reply option returns', async () => {
    const client = await start({ reply: (body) => `You asked ${String(body.model)}` });
    const answer = await client.chat.completions.create(BODY);
    expect(answer.choices[0]?.message.content).toBe('You asked gpt-4o');
  });

  it('reads embeddings, with the same vector as floats and as base64', async () => {
    const client = await start();
    const body = { model: 'gpt-4o', input: ['one', 'two'], dimensions: 64 };
    const packed = await client.embeddings.create(body);
    const floats = await client.embeddings.create({ ...body, encoding_format: 'float' });
    expect(packed.data).toHaveLength(2);
    packed.data.forEach(({ embedding }, at) => {
      expect(embedding).toHaveLength(64);
      expect(Math.hypot(...embedding)).toBeCloseTo(1);
      embedding.forEach((value, axis) => expect(value).toBeCloseTo(floats.data[at]!.embedding[axis]!, 6));
    });
    expect(packed.data[0]?.embedding).not.toEqual(packed.data[1]?.embedding);
    expect(packed.usage.prompt_tokens).toBe(2);
  });

  it('lists the models', async () => {
    const client = await start();
    const ids = [];
    for await (const { id } of client.models.list()) ids.push(id);
    expect(ids).toEqual(['gpt-4o']);
    expect((await client.models.retrieve('gpt-4o')).id).toBe('gpt-4o');
  });

  it('maps errors to its own classes', async () => {
    const client = await start({ keys: ['sk-test'] });
    const intruder = client.withOptions({ apiKey: 'sk-other' });
    const unknown = await failure(client.chat.completions.create({ ...BODY, model: 'gpt-9' }));
    expect(unknown).toBeInstanceOf(NotFoundError);
    expect(unknown.code).toBe('model_not_found');
    expect(await failure(intruder.chat.completions.create(BODY))).toBeInstanceOf(AuthenticationError);
    const empty = await failure(client.chat.completions.create({ ...BODY, messages: [] }));
    expect(empty).toBeInstanceOf(BadRequestError);
    expect(empty.param).toBe('messages');
    provider.fault({ kind: 'err5xx', status: 502, calls: 1 });
    expect(await failure(client.chat.completions.create(BODY))).toBeInstanceOf(InternalServerError);
    provider.fault({ kind: 'quota_exhausted', calls: 1 });
    expect((await failure(client.chat.completions.create(BODY))).code).toBe('insufficient_quota');
  });

  it('gets a Retry-After with a 429', async () => {
    const client = await start({ models: { 'gpt-4o': { rpm: 20, bucketSeconds: 3 } } });
    await client.chat.completions.create(BODY);
    const refused = await failure(client.chat.completions.create(BODY));
    expect(refused).toBeInstanceOf(RateLimitError);
    expect(refused.headers?.get('retry-after')).toBe('3');
    expect(refused.type).toBe('requests');
  });

  it('is counted in the statistics with tokens and cost', async () => {
    const client = await start();
    await client.chat.completions.create(BODY, tokensAsked(30, 1000));
    provider.fault({ kind: 'storm429', share: 1, calls: 1 });
    await failure(client.chat.completions.create(BODY));
    expect(provider.stats()).toMatchObject({
      seen: 2,
      answered: 1,
      rateLimited: 1,
      inFlight: 0,
      outputTokens: 30,
    });
    expect(provider.stats().usd).toBeCloseTo(0.00106);
  });
});
