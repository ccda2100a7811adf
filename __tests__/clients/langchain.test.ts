import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI, type ChatOpenAIFields } from '@langchain/openai';
import { RateLimitError } from 'openai';
import { z } from 'zod';
import { endpointAt, Rig, rejection } from '../helpers/provider';
import { DOORS, Doors } from '../responses/fixtures/doors';

const rig = new Rig();
const doors = new Doors();
const TEXT = 'It left our house this morning.';
const order = tool(({ id }) => `order ${id} is on its way`, {
  name: 'find_order',
  description: 'Finds an order',
  schema: z.object({ id: z.string() }),
});

describe.each(DOORS)('LangChain.js %s', (door) => {
  describe.each([
    ['chat completions', false],
    ['responses', true],
  ])('calling %s', (_, useResponsesApi) => {
    async function open(reply?: () => string, fields: ChatOpenAIFields = {}, timeScale = 0) {
      const provider = await rig.provider({ reply, timeScale });
      const balancer = rig.balancer([endpointAt(provider)], { retry: { maxAttempts: 1 } });
      const configuration = await doors.open(door, balancer);
      const common = { model: 'gpt-4o', apiKey: 'unused', maxRetries: 0, useResponsesApi, ...fields };
      return { provider, model: new ChatOpenAI({ ...common, configuration }) };
    }

    it('invokes and streams', async () => {
      const { model } = await open(() => TEXT);
      const answer = await model.invoke('Where is it?');
      expect(answer.text).toBe(TEXT);
      expect(answer.usage_metadata?.output_tokens).toBeGreaterThan(0);
      let streamed = '';
      for await (const chunk of await model.stream('Where is it?')) streamed += chunk.text;
      expect(streamed).toBe(TEXT);
    });

    it('binds tools and sends their results', async () => {
      const { model, provider } = await open();
      const question = new HumanMessage('Where is order 7?');
      const asked = await model.bindTools([order], { tool_choice: 'find_order' }).invoke([question]);
      const [call] = asked.tool_calls ?? [];
      expect(call?.name).toBe('find_order');
      const result = new ToolMessage({ content: 'on its way', tool_call_id: call?.id ?? '' });
      expect((await model.bindTools([order]).invoke([question, asked, result])).text).not.toBe('');
      expect(provider.requests.at(-1)?.body).toMatchObject({
        messages: [{ role: 'user' }, { role: 'assistant' }, { role: 'tool', content: 'on its way' }],
      });
    });

    it('returns structured output', async () => {
      const { model } = await open();
      const schema = z.object({ city: z.string(), days: z.number() });
      const place = await model.withStructuredOutput(schema, { name: 'place' }).invoke('Plan a trip.');
      expect(schema.safeParse(place).success).toBe(true);
    });

    it('throws a RateLimitError for a rate limit, and an error when a stream is cut off', async () => {
      const { model, provider } = await open(() => 'word '.repeat(300), {}, 0.1);
      const cut = provider.fault({ kind: 'cut', fraction: 0.5 });
      const read = async () => {
        for await (const _chunk of await model.stream('x'));
      };
      expect(await rejection(read())).toBeInstanceOf(Error);
      await cut.end();
      provider.fault({ kind: 'error', status: 429, headers: { 'retry-after': '90' }, afterMs: 0 });
      const error = await rejection(model.invoke('x'));
      expect((error as Error).constructor.name).toBe(RateLimitError.name);
    });
  });
});
