import { NotFoundError } from 'openai';
import { EXPRESS_VERSIONS } from '../helpers/express';
import { apiErrorOf, BODY, EMBEDDING_MODEL, GatewayRig, TOOLS } from './fixtures/gateway';

const rig = new GatewayRig();

describe.each(EXPRESS_VERSIONS)('The official OpenAI client at the gateway on Express %s', (_, express) => {
  it('gets a whole answer with headers that say how it was served', async () => {
    const { client, provider } = await rig.open({ express });
    const metadata = { simulate_prompt_tokens: '100' };
    const { data, response, request_id } = await client.chat.completions
      .create({ ...BODY, metadata, verbosity: 'low' }, { headers: { 'x-request-id': 'shop-1' } })
      .withResponse();
    expect(data.choices[0]?.message.content).toBe('It left our house this morning.');
    expect(data.choices[0]?.finish_reason).toBe('stop');
    expect(request_id).toBe('shop-1');
    expect(response.headers.get('x-ai-endpoint')).toBe('main');
    expect(response.headers.get('x-ai-attempts')).toBe('1');
    const { total_tokens } = data.usage!;
    expect(total_tokens).toBeGreaterThan(100);
    expect(response.headers.get('x-ai-cost-usd')).toBe(String(total_tokens / 1_000));
    // Unknown fields are passed through.
    expect(provider.requests[0]?.body).toMatchObject({ verbosity: 'low', metadata });
  });

  it('reads a stream to its end, with usage only if it requested usage', async () => {
    const { client } = await rig.open({ express, provider: { timeScale: 0.02 } });
    for (const include_usage of [false, true]) {
      const { data, response } = await client.chat.completions
        .create({ ...BODY, stream: true, stream_options: { include_usage } })
        .withResponse();
      const chunks = [];
      for await (const chunk of data) chunks.push(chunk);
      const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');
      expect(text).toBe('It left our house this morning.');
      expect(chunks.filter(({ usage }) => usage)).toHaveLength(include_usage ? 1 : 0);
      expect(response.headers.get('x-request-id')).toMatch(/^[\w-]{36}$/);
      expect(response.headers.get('x-ai-endpoint')).toBe('main');
      expect(response.headers.get('x-ai-attempts')).toBe('1');
      // The cost is not known when the headers are sent.
      expect(response.headers.get('x-ai-cost-usd')).toBeNull();
    }
  });

  it('gets tool calls, whole and streamed', async () => {
    const { client } = await rig.open({ express, provider: { reply: () => undefined, timeScale: 0.01 } });
    const body = { ...BODY, tools: TOOLS, tool_choice: 'required' as const };
    const whole = await client.chat.completions.create(body);
    const streamed = await client.chat.completions.stream(body).finalChatCompletion();
    for (const { choices } of [whole, streamed]) {
      expect(choices[0]?.finish_reason).toBe('tool_calls');
      const [call] = choices[0]?.message.tool_calls ?? [];
      if (call?.type !== 'function') throw new Error('no function call');
      expect(call.function.name).toBe('find_order');
      expect(JSON.parse(call.function.arguments)).toEqual({ id: expect.any(String) as string });
    }
  });

  it('gets embeddings as base64 and as numbers', async () => {
    const { client } = await rig.open({ express });
    const body = { model: EMBEDDING_MODEL, input: ['one', 'two'], dimensions: 16 };
    const { data: packed, response } = await client.embeddings.create(body).withResponse();
    const plain = await client.embeddings.create({ ...body, encoding_format: 'float' });
    expect(packed.data).toHaveLength(2);
    packed.data.forEach(({ embedding }, at) => {
      expect(embedding).toHaveLength(16);
      embedding.forEach((value, axis) => expect(value).toBeCloseTo(plain.data[at]!.embedding[axis]!, 5));
    });
    expect(response.headers.get('x-ai-endpoint')).toBe('vectors');
    // Two tokens at the catalogue's price, without an exponent.
    expect(response.headers.get('x-ai-cost-usd')).toBe('0.00000004');
  });

  it('lists models and aliases, and retrieves a model by its name or an alias', async () => {
    const endpoint = { aliases: ['best'], model: 'gpt-4o', name: 'a/b' };
    const { client } = await rig.open({ express, endpoint });
    const models = [];
    for await (const model of client.models.list()) models.push(model);
    expect(models).toEqual([
      { id: 'gpt-4o', object: 'model', created: 0, owned_by: 'openai' },
      { id: 'best', object: 'model', created: 0, owned_by: 'openai' },
      { id: EMBEDDING_MODEL, object: 'model', created: 0, owned_by: 'openai' },
    ]);
    expect(await client.models.retrieve('gpt-4o')).toMatchObject({ id: 'gpt-4o', owned_by: 'openai' });
    expect(await client.models.retrieve('best')).toMatchObject({ id: 'best', owned_by: 'openai' });
    const missing = await apiErrorOf(client.models.retrieve('org/other'));
    expect(missing).toBeInstanceOf(NotFoundError);
    expect(missing).toMatchObject({ code: 'ERR_AI_NO_ENDPOINT', param: 'model' });
  });
});

it('The gateway URL-encodes an endpoint name that contains characters not allowed in a header', async () => {
  const { client } = await rig.open({ endpoint: { name: 'Zürich 1' } });
  const { response } = await client.chat.completions.create(BODY).withResponse();
  expect(response.headers.get('x-ai-endpoint')).toBe('Z%C3%BCrich%201');
});
