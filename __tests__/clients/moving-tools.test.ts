import { createOpenAI } from '@ai-sdk/openai';
import { generateText, type LanguageModel, stepCountIs, streamText, tool } from 'ai';
import type OpenAI from 'openai';
import { z } from 'zod';
import { error, Rig, type Upstream } from '../failover/upstream';
import { TOOLS } from '../provider/fixtures/conversation';
import { startFourProviders } from '../provider/fixtures/responders';
import { DOORS, Doors } from '../responses/fixtures/doors';

const rig = new Rig();
const doors = new Doors();
const QUESTION = 'Weather and time in Lyon?';
const ANSWER = 'It is sunny in Lyon: 24 °C.';
const WEATHER = '{"celsius":24}';
/** The order in which they serve, each until it fails. */
const NAMES = ['gpt', 'claude', 'gemini', 'azure'] as const;

/** Every provider but the last fails once its tools have been run. */
async function start() {
  const { balancer, upstream } = await startFourProviders(rig);
  let runs = 0;
  const run = (name: string): string => {
    if (++runs % TOOLS.length === 0) upstream.play(NAMES[runs / TOOLS.length - 1] as string, error(500));
    return name === 'get_weather' ? WEATHER : '12:00';
  };
  return { balancer, upstream, run, runs: () => runs };
}

const bodyOf = (upstream: Upstream, name: string) =>
  upstream.requests.findLast((arrival) => arrival.name === name)?.body ?? {};

/**
 * What each provider has got of the turns before it: both calls and both results of each, under ids that belong together.
 * `thinkingBlocks`: what Anthropic gets back of its own, if the client keeps fields that OpenAI's API does not have.
 */
function expectWholeConversations(upstream: Upstream, thinkingBlocks: number): void {
  expect(upstream.requests.map(({ name }) => name).filter((name, at, all) => name !== all[at - 1])).toEqual(
    // Each turn begins at the first one, which has failed.
    ['gpt', 'claude', 'gpt', 'claude', 'gemini', 'gpt', 'claude', 'gemini', 'azure'],
  );
  const called = [
    { name: 'get_weather', args: { city: 'Lyon', unit: 'celsius' } },
    { name: 'get_time', args: {} },
  ];

  const toClaude = bodyOf(upstream, 'claude').messages as { content: Record<string, unknown>[] }[];
  const blocks = toClaude.flatMap(({ content }) => (Array.isArray(content) ? content : []));
  const uses = blocks.filter(({ type }) => type === 'tool_use');
  const results = blocks.filter(({ type }) => type === 'tool_result');
  expect(results.map(({ tool_use_id: id }) => id)).toEqual(uses.map(({ id }) => id));
  expect(new Set(uses.map(({ id }) => id)).size).toBe(uses.length);
  expect(uses.slice(0, 2).map(({ name, input }) => ({ name, args: input }))).toEqual(called);
  expect(results.slice(0, 2).map(({ content }) => content)).toEqual([WEATHER, '12:00']);
  expect(blocks.filter(({ type }) => String(type).endsWith('thinking'))).toHaveLength(thinkingBlocks);

  const toGemini = bodyOf(upstream, 'gemini').contents as { parts: Record<string, object>[] }[];
  const parts = toGemini.flatMap((content) => content.parts);
  const calls = parts.flatMap(({ functionCall }) => (functionCall ? [functionCall] : []));
  expect(calls).toMatchObject([...called, ...called, ...called]);
  const responses = parts.flatMap(({ functionResponse }) => (functionResponse ? [functionResponse] : []));
  expect(responses.map((response) => (response as { id: string }).id)).toEqual(
    calls.map((call) => (call as { id: string }).id),
  );

  const toAzure = bodyOf(upstream, 'azure').messages as OpenAI.ChatCompletionMessageParam[];
  const asked = toAzure.flatMap((message) =>
    message.role === 'assistant' ? (message.tool_calls ?? []) : [],
  );
  const got = toAzure.flatMap((message) => (message.role === 'tool' ? [message] : []));
  expect(asked).toHaveLength(6);
  expect(got.map(({ tool_call_id: id }) => id)).toEqual(asked.map(({ id }) => id));
  expect(got.map(({ content }) => content)).toEqual([WEATHER, '12:00', WEATHER, '12:00', WEATHER, '12:00']);
}

describe.each(DOORS)(
  'A loop of tool calls %s that moves from OpenAI to Anthropic to Gemini to Azure',
  (door) => {
    it.each([false, true])(
      "keeps all tool calls and results: runTools of OpenAI's client (streamed: %s)",
      async (stream) => {
        const { balancer, upstream, run, runs } = await start();
        const client = await doors.openai(door, balancer);
        const tools = TOOLS.map((each) => ({
          type: 'function' as const,
          function: {
            ...each.function,
            description: 'x',
            parameters:
              'parameters' in each.function ? structuredClone(each.function.parameters) : { type: 'object' },
            function: () => run(each.function.name),
          },
        }));
        const body = { model: 'm', messages: [{ role: 'user' as const, content: QUESTION }], tools };
        const runner = stream
          ? client.chat.completions.runTools({ ...body, stream: true } as never)
          : client.chat.completions.runTools(body as never);
        expect(await runner.finalContent()).toBe(ANSWER);
        expect(runs()).toBe(6);
        expectWholeConversations(upstream, 0);
      },
    );

    it("keeps all tool calls and results, and each provider's own fields: the stream helper of OpenAI's client", async () => {
      const { balancer, upstream, run } = await start();
      const client = await doors.openai(door, balancer);
      const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: QUESTION }];
      const tools = structuredClone(TOOLS) as unknown as OpenAI.ChatCompletionTool[];
      for (;;) {
        const { choices } = await client.chat.completions
          .stream({ model: 'm', messages, tools })
          .finalChatCompletion();
        const message = choices[0]?.message;
        messages.push(message as OpenAI.ChatCompletionMessageParam);
        if (!message?.tool_calls) break;
        for (const { id, function: called } of message.tool_calls)
          messages.push({ role: 'tool', tool_call_id: id, content: run(called.name) });
      }
      expect(messages.at(-1)?.content).toBe(ANSWER);
      expectWholeConversations(upstream, 2);
      const signatures = JSON.stringify(bodyOf(upstream, 'gemini')).match(/"thoughtSignature":"[^"]+"/g);
      expect(signatures).toContain('"thoughtSignature":"CpcBAdHtim+qVXRkMy4qFKfQ"');
    });

    it.each([
      ['chat', 'generateText'],
      ['chat', 'streamText'],
      ['responses', 'generateText'],
      ['responses', 'streamText'],
    ] as const)('keeps all tool calls and results: the AI SDK with its %s model and %s', async (api, how) => {
      const { balancer, upstream, run, runs } = await start();
      const openaiSdk = createOpenAI({ apiKey: 'unused', ...(await doors.open(door, balancer)) });
      const model: LanguageModel = api === 'chat' ? openaiSdk.chat('m') : openaiSdk('m');
      const weather = z.object({ city: z.string(), unit: z.string() });
      const tools = {
        get_weather: tool({ inputSchema: weather, execute: () => run('get_weather') }),
        get_time: tool({ inputSchema: z.object({}), execute: () => run('get_time') }),
      };
      const settings = { model, prompt: QUESTION, tools, stopWhen: stepCountIs(8) };
      const text =
        how === 'generateText' ? (await generateText(settings)).text : await streamText(settings).text;
      expect(text).toBe(ANSWER);
      expect(runs()).toBe(6);
      expectWholeConversations(upstream, 0);
    });
  },
);
