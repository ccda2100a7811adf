import type { AIResponse, Balancer, ChatBody, ChatCompletion, Hooks } from 'express-ai-balancer';
import { answer, type Responder, Rig, rejection, type UpstreamRequest } from '../failover/upstream';
import { TestServer } from '../helpers/express';
import { endpointAt } from '../helpers/provider';
import { NativeServer } from '../responses/fixtures/native-server';

const rig = new Rig();
const site = new TestServer();
const ASK = { model: 'm', instructions: 'Be brief.', input: 'My card is 4111.' };

const echo: Responder = (arrival: UpstreamRequest) => {
  const messages = arrival.body['messages'] as { content: string }[];
  answer(messages.at(-1)!.content)(arrival);
};

const withText = (content: string): ChatCompletion =>
  ({
    id: 'x',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content, refusal: null } }],
  }) as ChatCompletion;

/** The text of a response, whole or streamed; a stream must end with the same text that it has shown. */
async function textOf(balancer: Balancer, stream: boolean, body: object = ASK): Promise<string> {
  if (!stream) return (await balancer.responses({ ...body, stream: false })).output_text;
  let text = '';
  let final: AIResponse | undefined;
  for await (const { type, delta, response } of await balancer.responses({ ...body, stream: true })) {
    if (type === 'response.output_text.delta') text += delta as string;
    if (type === 'response.completed') final = response as AIResponse;
  }
  const parts = final?.output.flatMap((item) => (item.type === 'message' ? item.content : [])) ?? [];
  expect(parts.map((part) => (part.type === 'output_text' ? part.text : '')).join('')).toBe(text);
  return text;
}

describe.each([false, true])('hooks.before of a Responses call (streamed: %s)', (stream) => {
  it('gets the call as a chat request, which it can replace', async () => {
    const seen: unknown[] = [];
    const before: Hooks['before'] = ({ body, operation }) => {
      seen.push([operation, (body as ChatBody).messages]);
      const messages = (body as ChatBody).messages.map((message) => ({
        ...message,
        content: String(message.content).replace(/\d{4}/, '[card]'),
      }));
      return { body: { ...body, messages } as ChatBody };
    };
    const { balancer } = await rig.start({ a: echo }, { hooks: { before } });
    expect(await textOf(balancer, stream)).toBe('My card is [card].');
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'My card is 4111.' },
    ];
    expect(seen).toEqual([['chat', messages]]);
  });

  it('can answer the call without an endpoint', async () => {
    const { balancer, upstream } = await rig.start(
      { a: echo },
      { hooks: { before: () => ({ answer: withText('canned') }) } },
    );
    expect(await textOf(balancer, stream)).toBe('canned');
    expect(upstream.requests).toHaveLength(0);
  });

  it('can refuse the call with its own status, and nothing is sent', async () => {
    const { balancer, upstream } = await rig.start(
      { a: echo },
      { hooks: { before: () => ({ refuse: { status: 422, message: 'No cards.' } }) } },
    );
    expect(await rejection(textOf(balancer, stream))).toMatchObject({
      code: 'ERR_AI_CONTENT_POLICY',
      status: 422,
      message: 'No cards.',
    });
    expect(upstream.requests).toHaveLength(0);
  });

  it('can change a call for an endpoint with the Responses API, to which it is then sent as a chat request', async () => {
    const native = new NativeServer('a');
    const before: Hooks['before'] = ({ body }) => ({
      body: { ...body, messages: [{ role: 'user', content: 'redacted' }] } as ChatBody,
    });
    const capabilities = ['chat', 'streaming', 'responses'];
    const url = `${await site.listen(native.app)}/v1`;
    const { balancer } = await rig.start(
      {},
      { more: [endpointAt({ url }, { capabilities })], hooks: { before } },
    );
    expect(await textOf(balancer, stream, { ...ASK, model: 'gpt-4o' })).toBe('chat of a');
    expect(native.calls).toMatchObject([
      { path: '/chat/completions', body: { messages: [{ role: 'user', content: 'redacted' }] } },
    ]);
  });

  it("can't change a call that cannot be translated to chat completions, which is refused with the name of the field", async () => {
    const native = new NativeServer('a');
    const before: Hooks['before'] = ({ body }) => ({
      body: { ...body, messages: [{ role: 'user', content: 'x' }] } as ChatBody,
    });
    const capabilities = ['chat', 'streaming', 'responses'];
    const url = `${await site.listen(native.app)}/v1`;
    const { balancer } = await rig.start(
      {},
      { more: [endpointAt({ url }, { capabilities })], hooks: { before } },
    );
    const body = { ...ASK, model: 'gpt-4o', tools: [{ type: 'web_search' }] };
    expect(await rejection(textOf(balancer, stream, body))).toMatchObject({
      code: 'ERR_AI_BAD_REQUEST',
      param: 'tools',
    });
    expect(native.calls).toHaveLength(0);
  });
});

describe('The answer to a Responses call', () => {
  it('can be replaced by hooks.after, which gets it as a chat completion', async () => {
    const after: Hooks['after'] = (_call, answered) => {
      const [choice] = (answered as ChatCompletion).choices;
      return { answer: withText(`${choice?.message.content} (checked)`) };
    };
    const { balancer } = await rig.start({ a: echo }, { hooks: { after } });
    expect(await textOf(balancer, false)).toBe('My card is 4111. (checked)');
  });

  it('is requested from another endpoint if hooks.after rejects it', async () => {
    const after: Hooks['after'] = (_call, answered) =>
      (answered as ChatCompletion).choices[0]?.message.content === 'bad' ? { retry: {} } : undefined;
    const { balancer } = await rig.start({ a: answer('bad'), b: answer('good') }, { hooks: { after } });
    const { data, route } = await balancer.responses({ ...ASK, stream: false }).withRoute();
    expect(data.output_text).toBe('good');
    expect(route.endpoint).toBe('b');
  });

  it('is passed to hooks.after as a native response if the request cannot be translated to chat completions', async () => {
    const native = new NativeServer('a');
    const seen: unknown[] = [];
    const after: Hooks['after'] = (_call, answered) =>
      void seen.push((answered as { object: string }).object);
    const capabilities = ['chat', 'responses'];
    const url = `${await site.listen(native.app)}/v1`;
    const { balancer } = await rig.start(
      {},
      { more: [endpointAt({ url }, { capabilities })], hooks: { after } },
    );
    const body = { ...ASK, model: 'gpt-4o', tools: [{ type: 'web_search' }] };
    expect(await textOf(balancer, false, body)).toBe('native of a');
    expect(seen).toEqual(['response']);
  });

  it('passes through hooks.text if it is streamed, and fails if that refuses it in mid-stream', async () => {
    const text: Hooks['text'] = (_call, { text: window }) =>
      window.includes('secret') ? { refuse: { message: 'Stopped.' } } : { text: window.toUpperCase() };
    const { balancer, upstream } = await rig.start(
      { a: answer('hello') },
      { hooks: { text, windowChars: 1 } },
    );
    expect(await textOf(balancer, true)).toBe('HELLO');
    upstream.play('a', answer('the secret'));
    expect(await rejection(textOf(balancer, true))).toMatchObject({ code: 'ERR_AI_CONTENT_POLICY' });
  });
});
