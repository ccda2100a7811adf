import type { Balancer, ChatCompletion, EndpointConfig } from 'express-ai-balancer';
import { error, type Responder, Rig } from '../failover/upstream';
import { TOOL_MESSAGE } from './anthropic/fixtures';
import { CONVERSATION, TOOLS } from './fixtures/conversation';
import { anthropic, gemini, type Kind, openai, startFourProviders } from './fixtures/responders';

const PROVIDERS: [string, (kind: Kind) => Responder][] = [
  ['openai', openai],
  ['azure', openai],
  ['anthropic', anthropic],
  ['gemini', gemini],
];

interface Plain {
  readonly content: string | null;
  readonly calls: { name: string; arguments: string }[];
  readonly finish: unknown;
}

/** What the answer says in OpenAI's terms, apart from ids. */
function plain({ choices: [choice] }: ChatCompletion): Plain {
  const calls = (choice?.message.tool_calls ?? []).map((call) => call.function);
  return { content: choice?.message.content ?? null, calls, finish: choice?.finish_reason };
}

async function ask(balancer: Balancer, body: object, stream: boolean): Promise<Plain> {
  const call = { model: 'm', ...body, messages: (body as { messages: never[] }).messages };
  if (!stream) return plain(await balancer.chat(call));
  let content: string | null = null;
  let finish: unknown;
  const calls: { name: string; arguments: string }[] = [];
  for await (const { choices } of await balancer.chat({ ...call, stream: true })) {
    const delta = choices[0]?.delta;
    if (delta?.content) content = (content ?? '') + delta.content;
    for (const { index, function: part } of delta?.tool_calls ?? []) {
      const called = (calls[index] ??= { name: '', arguments: '' });
      called.name += part?.name ?? '';
      called.arguments += part?.arguments ?? '';
    }
    finish = choices[0]?.finish_reason ?? finish;
  }
  return { content, calls, finish };
}

describe('A conversation with tools and an image', () => {
  const rig = new Rig();

  it.each(
    PROVIDERS.flatMap(([name, answers]) => [false, true].map((stream) => [name, stream, answers] as const)),
  )(
    "reaches %s completely and gets the same answer in OpenAI's format as at any provider (streamed: %s)",
    async (provider, stream, answers) => {
      const each = { a: { provider } satisfies Partial<EndpointConfig> };
      const { balancer, upstream } = await rig.start({ a: answers('tools') }, { each });
      expect(await ask(balancer, { messages: CONVERSATION, tools: TOOLS }, stream)).toEqual({
        content: 'I look both up.',
        calls: [
          { name: 'get_weather', arguments: '{"city":"Lyon","unit":"celsius"}' },
          { name: 'get_time', arguments: '{}' },
        ],
        finish: 'tool_calls',
      });
      upstream.play('a', answers('text'));
      expect(await ask(balancer, { messages: CONVERSATION, tools: TOOLS }, stream)).toEqual({
        content: 'It is sunny in Lyon: 24 °C.',
        calls: [],
        finish: 'stop',
      });
      // Every text, argument and result of the conversation has arrived, and so has the image.
      const sent = JSON.stringify(upstream.requests[0]?.body).replaceAll('\\', '');
      for (const part of [
        'Answer in one sentence.',
        'I look it up.',
        '"city":"Paris"',
        '"celsius":21',
        '12:00',
        'iVBORw0KGgo',
      ])
        expect(sent).toContain(part);
      expect(balancer.stats().endpoints[0]).toMatchObject({ state: 'closed', failures: 0, inFlight: 0 });
    },
  );
});

describe('A Responses call', () => {
  const rig = new Rig();

  it.each(PROVIDERS)('with tools is served by %s', async (provider, answers) => {
    const each = { a: { provider } satisfies Partial<EndpointConfig> };
    const { balancer } = await rig.start({ a: answers('tools') }, { each });
    const tool = { type: 'function', name: 'get_weather', parameters: { type: 'object' }, strict: false };
    const { output } = (await balancer.responses({
      model: 'm',
      input: 'Weather and time in Lyon?',
      tools: [tool],
    } as never)) as unknown as { output: { type: string; name?: string; arguments?: string }[] };
    expect(output.filter(({ type }) => type === 'function_call')).toMatchObject([
      { name: 'get_weather', arguments: '{"city":"Lyon","unit":"celsius"}' },
      { name: 'get_time', arguments: '{}' },
    ]);
  });
});

describe('A conversation that fails over from OpenAI to Anthropic, then to Gemini and to Azure', () => {
  const rig = new Rig();
  const down = error(500);
  const results = (message: ChatCompletion['choices'][number]['message']) =>
    (message.tool_calls ?? []).map(({ id, function: called }) => ({
      role: 'tool',
      tool_call_id: id,
      content: called.name === 'get_time' ? '12:00' : '{"celsius":24}',
    }));

  it('keeps its tool calls, their results and their thought signatures', async () => {
    const { balancer, upstream } = await startFourProviders(rig);
    const messages: unknown[] = [{ role: 'user', content: 'Weather and time in Lyon?' }];
    const turn = async (): Promise<ChatCompletion['choices'][number]['message']> => {
      const { choices } = await balancer.chat({ model: 'm', messages: messages as never, tools: TOOLS });
      const message = choices[0]?.message;
      if (!message) throw new Error('no message');
      messages.push(message, ...results(message));
      return message;
    };

    await turn();
    upstream.play('gpt', down);
    await turn();
    const toClaude = upstream.requests.find(({ name }) => name === 'claude')?.body;
    expect(toClaude?.messages).toMatchObject([
      { role: 'user' },
      {
        role: 'assistant',
        content: [
          { type: 'text' },
          { id: 'call_a', name: 'get_weather' },
          { id: 'call_b', name: 'get_time', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'call_a', content: '{"celsius":24}' },
          { type: 'tool_result', tool_use_id: 'call_b', content: '12:00' },
        ],
      },
    ]);

    upstream.play('claude', down);
    await turn();
    const toGemini = upstream.requests.find(({ name }) => name === 'gemini')?.body;
    const idOf = (at: number) => TOOL_MESSAGE.content[at] as { id: string };
    expect(toGemini?.contents).toMatchObject([
      { role: 'user' },
      {
        role: 'model',
        parts: [{}, { functionCall: { id: 'call_a' }, thoughtSignature: expect.any(String) as string }, {}],
      },
      { role: 'user', parts: [{ functionResponse: { id: 'call_a', name: 'get_weather' } }, {}] },
      {
        role: 'model',
        parts: [
          { text: 'I look both up.' },
          { functionCall: { id: idOf(3).id, args: { city: 'Lyon' } } },
          {},
        ],
      },
      {
        role: 'user',
        parts: [
          {
            functionResponse: { id: idOf(3).id, name: 'get_weather', response: { output: { celsius: 24 } } },
          },
          { functionResponse: { id: idOf(4).id, name: 'get_time', response: { output: '12:00' } } },
        ],
      },
    ]);

    // At Gemini again, its own calls still have their signatures.
    await turn();
    const again = upstream.requests.findLast(({ name }) => name === 'gemini')?.body;
    expect((again?.contents as object[])[5]).toMatchObject({
      parts: [{}, { functionCall: { id: 'a1b2c3d4' }, thoughtSignature: 'CpcBAdHtim+qVXRkMy4qFKfQ' }, {}],
    });

    upstream.play('gemini', down);
    expect((await turn()).content).toBe('It is sunny in Lyon: 24 °C.');
    const toAzure = upstream.requests.find(({ name }) => name === 'azure')?.body.messages as Record<
      string,
      unknown
    >[];
    const calls = toAzure.flatMap(({ tool_calls: list }) => (list ?? []) as { id: string }[]);
    expect(calls.map(({ id }) => id)).toEqual(
      toAzure.filter(({ role }) => role === 'tool').map(({ tool_call_id: id }) => id),
    );
    expect(JSON.stringify(toAzure)).not.toMatch(/thinking_blocks|reasoning_content|extra_content/);
  });
});
