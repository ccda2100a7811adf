import OpenAI, { APIError, RateLimitError } from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { endpointAt, Rig, rejection } from '../helpers/provider';
import { DOORS, Doors } from '../responses/fixtures/doors';

const rig = new Rig();
const doors = new Doors();
const TEXT = 'It left our house this morning.';
const EMBEDDINGS = 'text-embedding-3-small';
const ASK = { model: 'gpt-4o', messages: [{ role: 'user' as const, content: 'Where is order 7?' }] };

describe.each(DOORS)("OpenAI's client %s", (door) => {
  async function open(reply?: () => string, timeScale = 0) {
    const provider = await rig.provider({ reply, timeScale, models: { 'gpt-4o': {}, [EMBEDDINGS]: {} } });
    const endpoints = [endpointAt(provider), endpointAt(provider, { name: 'vectors', model: EMBEDDINGS })];
    const balancer = rig.balancer(endpoints, { retry: { maxAttempts: 1 } });
    return { provider, client: await doors.openai(door, balancer) };
  }

  it('chats, and streams with its stream helper', async () => {
    const { client } = await open(() => TEXT);
    const answer = await client.chat.completions.create(ASK);
    expect(answer.choices[0]?.message.content).toBe(TEXT);
    const stream = client.chat.completions.stream({ ...ASK, stream_options: { include_usage: true } });
    expect(await stream.finalContent()).toBe(TEXT);
    expect((await stream.totalUsage()).completion_tokens).toBeGreaterThan(0);
  });

  it('runs tools until the final answer', async () => {
    const { client, provider } = await open();
    const tool = {
      type: 'function' as const,
      function: {
        name: 'find_order',
        description: 'Finds an order',
        parameters: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
        parse: JSON.parse as (text: string) => { id: string },
        function: ({ id }: { id: string }) => `order ${id} is on its way`,
      },
    };
    const tool_choice = { type: 'function' as const, function: { name: 'find_order' } };
    const runner = client.chat.completions.runTools({ ...ASK, tools: [tool], tool_choice });
    expect(await runner.finalFunctionToolCall()).toMatchObject({ name: 'find_order' });
    expect(await runner.finalFunctionToolCallResult()).toContain('on its way');
    expect(provider.requests).toHaveLength(1);
  });

  it('parses structured output', async () => {
    const { client } = await open();
    const Place = z.object({ city: z.string(), days: z.number() });
    const response_format = zodResponseFormat(Place, 'place');
    const { choices } = await client.chat.completions.parse({ ...ASK, response_format });
    expect(Place.safeParse(choices[0]?.message.parsed).success).toBe(true);
  });

  it('requests embeddings in base64, its default format, and lists models', async () => {
    const { client, provider } = await open();
    const { data } = await client.embeddings.create({ model: EMBEDDINGS, input: ['a', 'b'] });
    expect(data.map(({ embedding }) => typeof embedding[0])).toEqual(['number', 'number']);
    expect(provider.requests[0]?.body).toMatchObject({ encoding_format: 'base64' });
    const ids: string[] = [];
    for await (const { id } of client.models.list()) ids.push(id);
    expect(ids).toEqual(['gpt-4o', EMBEDDINGS]);
    expect(await client.models.retrieve('gpt-4o')).toMatchObject({ id: 'gpt-4o', object: 'model' });
  });

  it('throws a RateLimitError for a rate limit, and an error when a stream is cut off', async () => {
    const { client, provider } = await open(() => 'word '.repeat(300), 0.1);
    const cut = provider.fault({ kind: 'cut', fraction: 0.5 });
    expect(await rejection(client.chat.completions.stream(ASK).finalContent())).toBeInstanceOf(APIError);
    await cut.end();
    provider.fault({ kind: 'error', status: 429, headers: { 'retry-after': '90' }, afterMs: 0 });
    expect(await rejection(client.chat.completions.create(ASK))).toBeInstanceOf(RateLimitError);
    expect(OpenAI.RateLimitError).toBe(RateLimitError);
  });
});
