import { LLMock } from '@copilotkit/aimock';
import {
  type Balancer,
  type BalancerConfig,
  type ChatCompletion,
  createBalancer,
  type EndpointConfig,
} from 'express-ai-balancer';
import { until } from '../helpers/async';
import { CONVERSATION, TOOLS } from './fixtures/conversation';

/*
 * A mock server by others as the upstream, in all four formats: it reads our requests as OpenAI's, so what it finds in them
 * is not our own idea of the formats.
 */
const mock = new LLMock({ port: 0 });
const TEXT = 'Lyon: 24 °C, "sunny".\nGood day.';
const ARGUMENTS = '{"city":"Lyon","unit":"celsius"}';

beforeAll(async () => {
  mock.onMessage('Weather?', { toolCalls: [{ name: 'get_weather', arguments: ARGUMENTS }] });
  mock.onMessage('Think', { content: TEXT, reasoning: 'Let me think.' });
  mock.onMessage(/Lyon/, { content: TEXT });
  mock.onEmbedding('vector', { embedding: [0.6, 0.8] });
  await mock.start();
});
afterEach(() => {
  mock.clearChaos();
  mock.clearRequests();
});
afterAll(() => mock.stop());

const balancers: Balancer[] = [];
afterEach(() => Promise.all(balancers.splice(0).map((balancer) => balancer.close({ graceMs: 0 }))));

type Endpoint = Omit<EndpointConfig, 'name'>;
const endpoints = (): Record<string, Endpoint> => ({
  openai: { model: 'gpt-4o', baseURL: `${mock.url}/v1`, apiKey: 'k' },
  azure: { model: 'gpt-4o', provider: 'azure', baseURL: mock.url, apiVersion: '2024-10-21', apiKey: 'k' },
  anthropic: { model: 'claude-sonnet-4-5', provider: 'anthropic', baseURL: `${mock.url}/v1`, apiKey: 'k' },
  gemini: { model: 'gemini-2.5-flash', provider: 'gemini', baseURL: `${mock.url}/v1beta`, apiKey: 'k' },
});

function balancerOf(
  names: readonly string[],
  config: Partial<BalancerConfig> = {},
  more: (name: string) => Partial<EndpointConfig> = () => ({}),
): Balancer {
  const balancer = createBalancer({
    logger: false,
    hedge: false,
    endpoints: names.map((name) => ({ name, ...(endpoints()[name] as Endpoint), ...more(name) })),
    retry: { maxAttempts: 50, baseDelayMs: 1, budgetPerSecond: 10_000 },
    breaker: { consecutiveFailures: 1000, volumeThreshold: 100_000 },
    ...config,
  });
  balancers.push(balancer);
  return balancer;
}

type Message = ChatCompletion['choices'][number]['message'] & { reasoning_content?: string };

interface ToolCallDelta {
  index: number;
  id?: string;
  function?: { name?: string; arguments?: string };
}

async function ask(
  balancer: Balancer,
  messages: unknown,
  stream: boolean,
  more: object = {},
): Promise<Message> {
  const body = { messages: messages as never, tools: TOOLS, ...more };
  if (!stream) {
    const { choices } = await balancer.chat(body);
    return choices[0]?.message as Message;
  }
  const message: Message = { role: 'assistant', content: null, refusal: null };
  for await (const { choices } of await balancer.chat({ ...body, stream: true })) {
    const delta = choices[0]?.delta as (Partial<Message> & { tool_calls?: object[] }) | undefined;
    if (delta?.content) message.content = (message.content ?? '') + delta.content;
    if (delta?.reasoning_content)
      message.reasoning_content = (message.reasoning_content ?? '') + delta.reasoning_content;
    for (const call of (delta?.tool_calls ?? []) as ToolCallDelta[]) {
      const calls = (message.tool_calls ??= []);
      const whole = (calls[call.index] ??= {
        id: call.id ?? '',
        type: 'function',
        function: { name: '', arguments: '' },
      });
      whole.function.name += call.function?.name ?? '';
      whole.function.arguments += call.function?.arguments ?? '';
    }
  }
  return message;
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, at) => permutations(items.toSpliced(at, 1)).map((rest) => [item, ...rest]));
}

const NAMES = ['openai', 'azure', 'anthropic', 'gemini'];
const CASES = NAMES.flatMap((name) => [false, true].map((stream) => [name, stream] as const));

describe('aimock as the upstream', () => {
  it.each(CASES)(
    'understands the translated conversation and answers it: %s (streamed: %s)',
    async (name, stream) => {
      const balancer = balancerOf([name]);
      expect((await ask(balancer, CONVERSATION, stream)).content).toBe(TEXT);
      const { messages, tools } = mock.getLastRequest()?.body as unknown as {
        messages: { role: string; content: unknown; tool_calls?: { id: string; function: object }[] }[];
        tools: { function: { name: string } }[];
      };
      expect(tools.map((tool) => tool.function.name)).toEqual(['get_weather', 'get_time']);
      expect(messages.map(({ role }) => role).sort()).toEqual(CONVERSATION.map(({ role }) => role).sort());
      expect(messages[0]).toMatchObject({ role: 'system', content: 'Answer in one sentence.' });
      expect(messages.find(({ role }) => role === 'assistant')).toMatchObject({
        content: 'I look it up.',
        tool_calls: [
          { id: 'call_1', function: { name: 'get_weather', arguments: '{"city":"Paris","unit":"celsius"}' } },
          { id: 'call_2', function: { name: 'get_time', arguments: '{}' } },
        ],
      });
      expect(messages.filter(({ role }) => role === 'tool')).toHaveLength(2);
    },
  );

  it.each(CASES)('calls a tool and gets its result back: %s (streamed: %s)', async (name, stream) => {
    const balancer = balancerOf([name]);
    const question = { role: 'user', content: 'Weather?' };
    const message = await ask(balancer, [question], stream);
    const [call] = message.tool_calls ?? [];
    expect(call).toMatchObject({ function: { name: 'get_weather', arguments: ARGUMENTS } });
    const next = [
      question,
      message,
      { role: 'tool', tool_call_id: call?.id, content: 'sunny' },
      { role: 'user', content: 'In Lyon?' },
    ];
    expect((await ask(balancer, next, stream)).content).toBe(TEXT);
  });

  it.each(CASES.filter(([name]) => name === 'anthropic' || name === 'gemini'))(
    'returns its reasoning: %s (streamed: %s)',
    async (name, stream) => {
      const more = { reasoning_effort: 'high', max_tokens: 4000 };
      const message = await ask(balancerOf([name]), [{ role: 'user', content: 'Think' }], stream, more);
      expect(message).toMatchObject({ content: TEXT, reasoning_content: 'Let me think.' });
    },
  );

  it.each(['openai', 'azure'])('returns embeddings: %s', async (name) => {
    const model = 'text-embedding-3-small';
    const { data } = await balancerOf([name], {}, () => ({ model })).embeddings({
      model,
      input: ['vector', 'vector'],
    });
    expect(data.map(({ embedding, index }) => [index, embedding])).toEqual([
      [0, [0.6, 0.8]],
      [1, [0.6, 0.8]],
    ]);
  });

  describe.each([false, true])('with faults (streamed: %s)', (stream) => {
    /** What it does to every request that has its header, and the failure class of that. */
    const FAULTS: readonly (readonly [header: string, failure: string])[] = [
      ['x-aimock-chaos-drop', 'server'],
      ['x-aimock-chaos-malformed', 'bad_answer'],
      ['x-aimock-chaos-disconnect', 'connection'],
    ];

    it.each(NAMES)('lets %s serve every call if all other endpoints have faults', async (sound) => {
      const others = NAMES.filter((name) => name !== sound);
      for (const broken of permutations(others)) {
        const faults = new Map(broken.map((name, at) => [name, FAULTS[at] as (typeof FAULTS)[number]]));
        const balancer = balancerOf(NAMES, { strategy: 'round-robin' }, (name) => {
          const fault = faults.get(name);
          return fault ? { headers: { [fault[0]]: '1' } } : {};
        });
        const seen = new Set<string>();
        balancer.on('attempt', ({ endpoint, class: failure }) => {
          seen.add(`${endpoint} ${failure ?? 'ok'}`);
        });
        const calls = NAMES.map(() => ask(balancer, CONVERSATION, stream));
        for (const { content } of await Promise.all(calls)) expect(content).toBe(TEXT);
        // Each of them began at another endpoint, so every fault was met.
        expect([...seen].sort()).toEqual(
          [`${sound} ok`, ...[...faults].map(([name, [, failure]]) => `${name} ${failure}`)].sort(),
        );
        const { calls: counts, endpoints: states } = balancer.stats();
        expect(counts).toMatchObject({ ok: NAMES.length, failed: 0 });
        expect(states.every(({ inFlight }) => inFlight === 0)).toBe(true);
        await balancer.close({ graceMs: 0 });
      }
    });

    it('is retried until it has recovered if all endpoints are faulty', async () => {
      mock.setChaos({ dropRate: 1 });
      const balancer = balancerOf(NAMES);
      const calls = Promise.all(Array.from({ length: 6 }, () => ask(balancer, CONVERSATION, stream)));
      // Every call has failed at every endpoint.
      await until(() => mock.getRequests().length > 6 * NAMES.length);
      mock.clearChaos();
      for (const { content } of await calls) expect(content).toBe(TEXT);
      expect(balancer.stats().calls).toMatchObject({ ok: 6, failed: 0 });
    });
  });

  it('causes only rate_limited attempts and a retryable error while every request is rate-limited', async () => {
    const balancer = balancerOf(['anthropic', 'gemini']);
    mock.setChaos({ rateLimitRate: 1 });
    const failed = await balancer
      .chat({ messages: CONVERSATION as never }, { timeoutMs: 3_000 })
      .catch((e: unknown) => e);
    expect(failed).toMatchObject({ retryable: true });
    expect(balancer.stats().endpoints.every(({ state }) => state === 'cooldown' || state === 'closed')).toBe(
      true,
    );
    const attempts = (failed as { attempts?: { class?: string }[] }).attempts ?? [];
    expect(new Set(attempts.map((attempt) => attempt.class))).toEqual(new Set(['rate_limited']));
  });
});
