import type { BalancerConfig, EndpointConfig } from 'express-ai-balancer';
import { APIError, BadRequestError } from 'openai';
import { TestServer } from '../helpers/express';
import { Rig, rejection } from '../helpers/provider';
import { DOORS, Doors } from './fixtures/doors';
import { NativeServer, sseOf } from './fixtures/native-server';

const rig = new Rig();
const site = new TestServer();
const doors = new Doors();
const ASK = { model: 'gpt-4o', input: 'Where is my parcel?' };

async function endpointOf(server: NativeServer, more: Partial<EndpointConfig> = {}): Promise<EndpointConfig> {
  const baseURL = `${await site.listen(server.app)}/v1`;
  const capabilities = ['chat', 'tools', 'vision', 'json_schema', 'streaming', 'responses'];
  return { name: server.name, model: 'gpt-4o', baseURL, apiKey: 'sk-test', capabilities, ...more };
}

const CHAT_ONLY = { capabilities: ['chat', 'tools', 'vision', 'json_schema', 'streaming'] };

describe.each(DOORS)('a Responses call %s, at an endpoint with the Responses API', (door) => {
  async function open(endpoints: EndpointConfig[], config: Partial<BalancerConfig> = {}) {
    const balancer = rig.balancer(endpoints, { strategy: 'round-robin', ...config });
    return { balancer, client: await doors.openai(door, balancer) };
  }

  it('is sent and answered untranslated', async () => {
    const a = new NativeServer('a');
    const { client, balancer } = await open([await endpointOf(a)]);
    const body = {
      ...ASK,
      store: true,
      tools: [{ type: 'web_search' as const }],
      include: ['reasoning.encrypted_content' as const],
      prompt_cache_key: 'k',
    };
    const response = await client.responses.create(body);
    expect(a.calls).toEqual([{ path: '/responses', body }]);
    const { output_text, ...rest } = response;
    expect(output_text).toBe('native of a');
    expect(rest).toMatchObject({ ...a.response(body), id: 'resp_a1', output: expect.anything() as unknown });

    const { route } = await balancer.responses(ASK).withRoute();
    expect(route.usage).toMatchObject({ prompt_tokens: 11, completion_tokens: 7 });
    expect(route.usage?.prompt_tokens_details?.cached_tokens).toBe(4);
  });

  it('streams the events of the upstream unchanged', async () => {
    const a = new NativeServer('a');
    const { client, balancer } = await open([await endpointOf(a)]);
    const events: object[] = [];
    for await (const event of await client.responses.create({ ...ASK, stream: true })) events.push(event);
    const expected = new NativeServer('a').events({ ...ASK, stream: true });
    expect(events).toEqual(expected);
    expect((await client.responses.stream(ASK).finalResponse()).output_text).toBe('native of a');
    expect(balancer.stats().calls.ok).toBe(2);
  });

  it('continues a response at the account that stores it', async () => {
    const [a, b] = [new NativeServer('a'), new NativeServer('b')];
    const { client } = await open([await endpointOf(a), await endpointOf(b)]);
    const servers = { a, b };
    for (const stream of [false, true]) {
      let previous = await client.responses.create(ASK);
      const name = previous.output_text.at(-1) as 'a' | 'b';
      for (let turn = 0; turn < 4; turn++) {
        const body = { ...ASK, previous_response_id: previous.id };
        const next = stream
          ? await client.responses.stream(body).finalResponse()
          : await client.responses.create(body);
        expect(next.output_text).toBe(`native of ${name}`);
        expect(servers[name].calls.at(-1)?.body.previous_response_id).toBe(previous.id);
        previous = next;
      }
    }
  });

  it('is translated if it refers to items that another account stores, and refused if that is impossible', async () => {
    const [a, b] = [new NativeServer('a'), new NativeServer('b')];
    const { client, balancer } = await open([await endpointOf(a), await endpointOf(b)]);
    const first = await client.responses.create(ASK);
    const keeper = first.output_text.at(-1) === 'a' ? a : b;
    const other = keeper === a ? b : a;
    balancer.endpoint(keeper.name).disable();
    const again = await client.responses.create({
      model: 'gpt-4o',
      input: [
        { role: 'user', content: 'Where is my parcel?' },
        ...first.output.map(({ id = '' }) => ({ type: 'item_reference' as const, id })),
        { role: 'user', content: 'And the other one?' },
      ],
    });
    expect(again.output_text).toBe(`chat of ${other.name}`);
    expect(other.calls.at(-1)?.body).toMatchObject({
      messages: [{ role: 'user' }, { role: 'assistant', content: first.output_text }, { role: 'user' }],
    });
    const body = { ...ASK, previous_response_id: first.id };
    expect(await rejection(client.responses.create(body))).toBeInstanceOf(APIError);
    expect(other.calls).toHaveLength(1);
  });

  it('fails over to an endpoint that has only chat completions, and vice versa', async () => {
    const [a, b] = [new NativeServer('a'), new NativeServer('b')];
    a.answer = (_body, res) => void res.status(500).json({ error: { message: 'down' } });
    const { client } = await open([await endpointOf(a), await endpointOf(b, { ...CHAT_ONLY, tier: 1 })]);
    expect((await client.responses.create(ASK)).output_text).toBe('chat of b');
    expect(a.calls).toHaveLength(1);

    const back = await open([
      await endpointOf(b, { ...CHAT_ONLY, baseURL: 'http://127.0.0.1:9/v1' }),
      await endpointOf(new NativeServer('c'), { tier: 1 }),
    ]);
    expect((await back.client.responses.create(ASK)).output_text).toBe('native of c');
    expect((await back.client.responses.stream(ASK).finalResponse()).output_text).toBe('native of c');
  });

  it('is sent only to such an endpoint if it can not be translated', async () => {
    const [a, b] = [new NativeServer('a'), new NativeServer('b')];
    const { client } = await open([await endpointOf(a, CHAT_ONLY), await endpointOf(b)]);
    for (let count = 0; count < 3; count++) {
      const response = await client.responses.create({ ...ASK, tools: [{ type: 'web_search' }] });
      expect(response.output_text).toBe('native of b');
    }
    expect(a.calls).toHaveLength(0);
  });

  it.each([
    ['a response that failed', (events: object[]) => [...events.slice(0, 8), failed()]],
    [
      'an error event',
      (events: object[]) => [...events.slice(0, 8), { type: 'error', code: 'x', message: 'no' }],
    ],
    ['the end of the connection', (events: object[]) => events.slice(0, 8)],
  ])('ends with an error after %s in the middle of the stream', async (_, cut) => {
    const a = new NativeServer('a');
    a.answer = (body, res) => void res.type('text/event-stream').end(sseOf(cut(a.events(body))));
    const { client, balancer } = await open([await endpointOf(a)]);
    const types: string[] = [];
    const read = async () => {
      for await (const { type } of await client.responses.create({ ...ASK, stream: true })) types.push(type);
    };
    expect(await rejection(read())).toBeInstanceOf(APIError);
    expect(types).toContain('response.output_text.delta');
    expect(types.at(-1)).toBe('response.failed');
    expect(types).not.toContain('response.completed');
    expect(balancer.stats().calls.failed).toBe(1);
  });

  it('moves to another endpoint if the stream fails before its first content', async () => {
    const [a, b] = [new NativeServer('a'), new NativeServer('b')];
    a.answer = (body, res) =>
      void res.type('text/event-stream').end(sseOf([...a.events(body).slice(0, 2), failed()]));
    const { client } = await open([await endpointOf(a), await endpointOf(b, { tier: 1 })]);
    expect((await client.responses.stream(ASK).finalResponse()).output_text).toBe('native of b');
  });

  it("returns the upstream's own error for a fault of the caller", async () => {
    const a = new NativeServer('a');
    const error = { message: 'Previous response not found', code: 'previous_response_not_found', param: 'x' };
    a.answer = (_body, res) => void res.status(400).json({ error });
    const { client } = await open([await endpointOf(a)]);
    const refused = await rejection(client.responses.create({ ...ASK, previous_response_id: 'resp_0' }));
    expect(refused).toBeInstanceOf(BadRequestError);
    expect(refused).toMatchObject({ code: error.code });
    expect(a.calls).toHaveLength(1);
  });

  it('does not send ids that the upstream does not know', async () => {
    const [a, b] = [new NativeServer('a'), new NativeServer('b')];
    const { client, balancer } = await open([await endpointOf(a, CHAT_ONLY), await endpointOf(b)]);
    balancer.endpoint('b').disable();
    const first = await client.responses.create(ASK);
    balancer.endpoint('b').enable();
    balancer.endpoint('a').disable();
    const [message] = first.output;
    await client.responses.create({
      model: 'gpt-4o',
      input: [message as never, { role: 'user', content: 'And?' }],
    });
    await client.responses.create({
      model: 'gpt-4o',
      input: [
        { type: 'item_reference', id: message?.id ?? '' },
        { role: 'user', content: 'And?' },
      ],
    });
    expect(b.calls).toHaveLength(2);
    for (const { body } of b.calls) {
      const [sent] = body.input as object[];
      expect(sent).toMatchObject({ type: 'message', role: 'assistant' });
      expect(sent).not.toHaveProperty('id');
    }
  });
});

function failed() {
  return { type: 'response.failed', response: { error: { code: 'server_error', message: 'it broke' } } };
}
