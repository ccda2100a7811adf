import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import {
  APICallError,
  embedMany,
  generateObject,
  generateText,
  type LanguageModel,
  stepCountIs,
  streamText,
  tool,
} from 'ai';
import type { Balancer } from 'express-ai-balancer';
import { z } from 'zod';
import { endpointAt, Rig, rejection } from '../helpers/provider';
import { DOORS, type Door, Doors } from '../responses/fixtures/doors';

const rig = new Rig();
const doors = new Doors();
const TEXT = 'It left our house this morning.';
const EMBEDDINGS = 'text-embedding-3-small';
const order = tool({
  description: 'Finds an order',
  inputSchema: z.object({ id: z.string() }),
  execute: ({ id }) => Promise.resolve(`order ${id} is on its way`),
});

type Connect = (door: Door, balancer: Balancer) => Promise<LanguageModel>;

/** The default model of @ai-sdk/openai calls /responses. */
const MODELS: readonly [name: string, connect: Connect][] = [
  [
    '@ai-sdk/openai',
    async (door, balancer) =>
      createOpenAI({ apiKey: 'unused', ...(await doors.open(door, balancer)) })('gpt-4o'),
  ],
  [
    '@ai-sdk/openai-compatible',
    async (door, balancer) =>
      createOpenAICompatible({
        name: 'balancer',
        supportsStructuredOutputs: true,
        ...(await doors.open(door, balancer)),
      })('gpt-4o'),
  ],
];

describe.each(DOORS)('the AI SDK %s', (door) => {
  describe.each(MODELS)('with %s', (_, connect) => {
    async function open(reply?: () => string, timeScale = 0) {
      const provider = await rig.provider({ reply, timeScale });
      const balancer = rig.balancer([endpointAt(provider)], { retry: { maxAttempts: 1 } });
      return { provider, model: await connect(door, balancer) };
    }

    it('generates and streams text', async () => {
      const { model } = await open(() => TEXT);
      const { text, usage, finishReason } = await generateText({ model, prompt: 'Where is it?' });
      expect(text).toBe(TEXT);
      expect(finishReason).toBe('stop');
      expect(usage.outputTokens).toBeGreaterThan(0);
      let streamed = '';
      for await (const part of streamText({ model, prompt: 'Where is it?' }).textStream) streamed += part;
      expect(streamed).toBe(TEXT);
    });

    it.each(['generateText', 'streamText'])('calls tools in steps with %s', async (how) => {
      const { model, provider } = await open();
      const settings = {
        model,
        prompt: 'Where is order 7?',
        tools: { order },
        stopWhen: stepCountIs(3),
        prepareStep: ({ stepNumber }: { stepNumber: number }) => ({
          toolChoice: stepNumber === 0 ? ('required' as const) : ('auto' as const),
        }),
      };
      const steps =
        how === 'generateText' ? (await generateText(settings)).steps : await streamText(settings).steps;
      expect(steps.map(({ finishReason }) => finishReason)).toEqual(['tool-calls', 'stop']);
      expect(steps[0]?.toolResults[0]?.output).toContain('is on its way');
      expect(steps[1]?.text).not.toBe('');
      const { messages } = provider.requests.at(-1)?.body as { messages: object[] };
      expect(messages).toMatchObject([{ role: 'user' }, { role: 'assistant' }, { role: 'tool' }]);
    });

    it('generates objects', async () => {
      const { model } = await open();
      const schema = z.object({ city: z.string(), days: z.number() });
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- apps still use it
      const { object } = await generateObject({ model, schema, prompt: 'Plan a trip.' });
      expect(schema.safeParse(object).success).toBe(true);
    });

    it('continues a conversation with the messages of an earlier answer', async () => {
      const { model, provider } = await open(() => TEXT);
      const first = await generateText({ model, prompt: 'Where is it?' });
      await generateText({
        model,
        messages: [
          { role: 'user', content: 'Where is it?' },
          ...first.response.messages,
          { role: 'user', content: 'And the other?' },
        ],
      });
      expect(provider.requests.at(-1)?.body).toMatchObject({
        messages: [{ role: 'user' }, { role: 'assistant', content: TEXT }, { role: 'user' }],
      });
    });

    it('throws an APICallError with status 429 for a rate limit', async () => {
      const { model, provider } = await open();
      provider.fault({ kind: 'error', status: 429, headers: { 'retry-after': '90' }, afterMs: 0 });
      const error = await rejection(generateText({ model, prompt: 'x', maxRetries: 0 }));
      expect(APICallError.isInstance(error)).toBe(true);
      expect(error).toMatchObject({ statusCode: 429 });
    });

    it('throws an error when the stream is cut off, and never returns a short answer', async () => {
      const { model, provider } = await open(() => 'word '.repeat(300), 0.1);
      provider.fault({ kind: 'cut', fraction: 0.5 });
      const errors: unknown[] = [];
      const onError = ({ error }: { error: unknown }): void => void errors.push(error);
      const result = streamText({ model, prompt: 'x', maxRetries: 0, onError });
      const types: string[] = [];
      for await (const { type } of result.fullStream) types.push(type);
      expect(types).toContain('text-delta');
      expect(types).toContain('error');
      expect(errors.length).toBeGreaterThan(0);
      expect(await result.finishReason.then(String, () => 'error')).toBe('error');
    });
  });

  it('embeds many values', async () => {
    const provider = await rig.provider({ models: { [EMBEDDINGS]: {} } });
    const balancer = rig.balancer([endpointAt(provider, { model: EMBEDDINGS })]);
    const settings = await doors.open(door, balancer);
    const openai = createOpenAI({ apiKey: 'unused', ...settings });
    const compatible = createOpenAICompatible({ name: 'balancer', ...settings });
    for (const model of [openai.embeddingModel(EMBEDDINGS), compatible.embeddingModel(EMBEDDINGS)]) {
      const { embeddings } = await embedMany({ model, values: ['a', 'b'] });
      expect(embeddings).toHaveLength(2);
      expect(embeddings[0]?.length).toBeGreaterThan(100);
    }
  });
});
