import Anthropic from '@anthropic-ai/sdk';
import { FunctionCallingConfigMode, GoogleGenAI } from '@google/genai';
import { AzureOpenAI } from 'openai';
import { type ProviderOptions, type SimulatedProvider, startProvider } from '../../lib/simulator';

let provider: SimulatedProvider;
afterEach(() => provider.close());

async function start(options: ProviderOptions = {}): Promise<string> {
  provider = await startProvider({ timeScale: 0, errorShare: 0, models: { m: {} }, ...options });
  return `http://127.0.0.1:${provider.port}`;
}

const HEADERS = { 'x-simulate-output-tokens': '12', 'x-simulate-prompt-tokens': '20' };
const TEXT = 'thank you for writing to us about your order it left our';

describe('@anthropic-ai/sdk against a SimulatedProvider', () => {
  const BODY = {
    model: 'm',
    max_tokens: 50,
    messages: [{ role: 'user' as const, content: 'Where is my order?' }],
  };
  const TOOL = {
    name: 'find_order',
    input_schema: {
      type: 'object' as const,
      properties: { id: { type: 'string' }, days: { type: 'integer' } },
    },
  };
  const clientAt = (baseURL: string) =>
    new Anthropic({ baseURL, apiKey: 'sk-test', maxRetries: 0, defaultHeaders: HEADERS });

  it('reads a whole answer with its usage and request id, at the origin and at url', async () => {
    for (const baseURL of [await start(), provider.url]) {
      const message = await clientAt(baseURL).messages.create(BODY);
      expect(message.content).toMatchObject([{ type: 'text', text: TEXT }]);
      expect(message.usage).toMatchObject({ input_tokens: 20, output_tokens: 12 });
      expect(message.stop_reason).toBe('end_turn');
      expect(message._request_id).toMatch(/^req_/);
    }
  });

  it('reads a stream of texts', async () => {
    const client = clientAt(await start());
    const texts: string[] = [];
    const stream = client.messages.stream(BODY).on('text', (text) => texts.push(text));
    const message = await stream.finalMessage();
    expect(texts.join('')).toBe(TEXT);
    expect(message.usage).toMatchObject({ input_tokens: 20, output_tokens: 12 });
    expect(message.stop_reason).toBe('end_turn');
  });

  it('reads a tool call, whole and as a stream', async () => {
    const client = clientAt(await start());
    const body = { ...BODY, tools: [TOOL], tool_choice: { type: 'any' as const } };
    for (const message of [
      await client.messages.create(body),
      await client.messages.stream(body).finalMessage(),
    ]) {
      expect(message.stop_reason).toBe('tool_use');
      expect(message.content).toMatchObject([
        { type: 'tool_use', name: 'find_order', input: { id: 'text', days: 1 } },
      ]);
    }
  });

  it('throws the errors of each status', async () => {
    const client = clientAt(await start({ keys: ['sk-test'] }));
    provider.fault({ kind: 'storm429', share: 1, calls: 1 });
    const limited = await client.messages.create(BODY).catch((error: unknown) => error);
    expect(limited).toBeInstanceOf(Anthropic.RateLimitError);
    expect((limited as InstanceType<typeof Anthropic.APIError>).headers?.get('retry-after')).toMatch(/^\d+$/);
    provider.fault({ kind: 'err5xx', status: 503, calls: 1 });
    await expect(client.messages.create(BODY)).rejects.toMatchObject({
      status: 529,
      error: { error: { type: 'overloaded_error' } },
    });
    await expect(client.messages.create({ ...BODY, model: 'n' })).rejects.toBeInstanceOf(
      Anthropic.NotFoundError,
    );
    const stranger = new Anthropic({ baseURL: provider.url, apiKey: 'sk-other', maxRetries: 0 });
    await expect(stranger.messages.create(BODY)).rejects.toBeInstanceOf(Anthropic.AuthenticationError);
  });

  it('throws the error that breaks a stream', async () => {
    const client = clientAt(await start());
    provider.fault({ kind: 'bad_answer', form: 'error_object' });
    const stream = client.messages.stream(BODY);
    await expect(stream.finalMessage()).rejects.toThrow('Internal server error');
  });

  it('retries by itself after a rate limit', async () => {
    const baseURL = await start();
    provider.fault({
      ...{ kind: 'error', status: 429, headers: { 'retry-after-ms': '1' }, calls: 1 },
    });
    const client = new Anthropic({ baseURL, apiKey: 'sk-test', maxRetries: 1 });
    expect((await client.messages.create(BODY)).role).toBe('assistant');
    expect(provider.stats()).toMatchObject({ rateLimited: 1, answered: 1 });
  });
});

describe('AzureOpenAI of the openai package against a SimulatedProvider', () => {
  it('gets answers, streams and embeddings', async () => {
    const endpoint = await start();
    const client = new AzureOpenAI({
      endpoint,
      apiKey: 'k',
      apiVersion: '2024-10-21',
      defaultHeaders: HEADERS,
    });
    const body = { model: 'm', messages: [{ role: 'user' as const, content: 'Hello' }] };
    const answer = await client.chat.completions.create(body);
    expect(answer.choices[0]?.message.content).toBe(TEXT);
    expect(answer.usage).toMatchObject({ prompt_tokens: 20, completion_tokens: 12 });
    let text = '';
    for await (const { choices } of await client.chat.completions.create({ ...body, stream: true }))
      text += choices[0]?.delta.content ?? '';
    expect(text).toBe(TEXT);
    const { data } = await client.embeddings.create({ model: 'm', input: 'Hello', dimensions: 4 });
    expect(data[0]?.embedding).toHaveLength(4);
  });
});

describe('@google/genai against a SimulatedProvider', () => {
  // With a fetch of the caller's, the client adds no dispatcher of Node.js, which it doesn't find inside of jest.
  const send: typeof fetch = (...request) => fetch(...request);
  const clientAt = (baseUrl: string) =>
    new GoogleGenAI({ apiKey: 'k', httpOptions: { baseUrl, headers: HEADERS, fetch: send } });

  it('gets answers, streams, function calls and embeddings, at the origin and at url', async () => {
    for (const baseUrl of [await start(), provider.url]) {
      const { models } = clientAt(baseUrl);
      const answer = await models.generateContent({ model: 'm', contents: 'Hello' });
      expect(answer.text).toBe(TEXT);
      expect(answer.usageMetadata).toMatchObject({ promptTokenCount: 20, candidatesTokenCount: 12 });
      let text = '';
      for await (const chunk of await models.generateContentStream({ model: 'm', contents: 'Hello' }))
        text += chunk.text ?? '';
      expect(text).toBe(TEXT);
      const config = {
        tools: [{ functionDeclarations: [{ name: 'find', parametersJsonSchema: { type: 'object' } }] }],
        toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } },
      };
      const called = await models.generateContent({ model: 'm', contents: 'Hello', config });
      expect(called.functionCalls).toMatchObject([{ name: 'find', args: {} }]);
      const embedded = await models.embedContent({ model: 'm', contents: ['Hello'] });
      expect(embedded.embeddings?.[0]?.values).toHaveLength(1536);
    }
  });

  it('throws the error of a rate limit', async () => {
    const { models } = clientAt(await start());
    provider.fault({ kind: 'storm429', share: 1, calls: 1 });
    await expect(models.generateContent({ model: 'm', contents: 'Hello' })).rejects.toMatchObject({
      status: 429,
    });
  });
});
