import { Agent, OpenAIProvider, Runner, tool } from '@openai/agents';
import { RateLimitError } from 'openai';
import { z } from 'zod';
import { endpointAt, Rig, rejection } from '../helpers/provider';
import { DOORS, Doors } from '../responses/fixtures/doors';

const rig = new Rig();
const doors = new Doors();
const TEXT = 'It left our house this morning.';
const order = tool({
  name: 'find_order',
  description: 'Finds an order',
  parameters: z.object({ id: z.string() }),
  execute: ({ id }) => `order ${id} is on its way`,
});

describe.each(DOORS)('@openai/agents %s', (door) => {
  async function open(reply?: () => string, timeScale = 0) {
    const provider = await rig.provider({ reply, timeScale });
    const balancer = rig.balancer([endpointAt(provider)], { retry: { maxAttempts: 1 } });
    // The package brings its own copy of the client's types.
    const openAIClient = (await doors.openai(door, balancer)) as never;
    const modelProvider = new OpenAIProvider({ openAIClient, useResponses: true });
    return { provider, runner: new Runner({ modelProvider, tracingDisabled: true }) };
  }
  const agent = new Agent({ name: 'Helper', instructions: 'Be brief.', model: 'gpt-4o' });

  it('runs an agent with and without streaming', async () => {
    const { runner } = await open(() => TEXT);
    expect((await runner.run(agent, 'Where is it?')).finalOutput).toBe(TEXT);
    const stream = await runner.run(agent, 'Where is it?', { stream: true });
    await stream.completed;
    expect(stream.finalOutput).toBe(TEXT);
  });

  it('runs tools until the final answer', async () => {
    const { runner, provider } = await open();
    const withTools = agent.clone({ tools: [order], modelSettings: { toolChoice: 'required' } });
    const result = await runner.run(withTools, 'Where is order 7?');
    expect(result.finalOutput).not.toBe('');
    expect(provider.requests.at(-1)?.body).toMatchObject({
      messages: [
        { role: 'system' },
        { role: 'user' },
        { role: 'assistant', tool_calls: [{ function: { name: 'find_order' } }] },
        { role: 'tool', content: expect.stringContaining('on its way') as string },
      ],
    });
  });

  it('returns structured output', async () => {
    const { runner } = await open();
    const outputType = z.object({ city: z.string(), days: z.number() });
    const planner = new Agent({ name: 'Planner', model: 'gpt-4o', outputType });
    const { finalOutput } = await runner.run(planner, 'Plan a trip.');
    expect(outputType.safeParse(finalOutput).success).toBe(true);
  });

  it('throws a RateLimitError for a rate limit, and an error when a stream is cut off', async () => {
    const { runner, provider } = await open(() => 'word '.repeat(300), 0.1);
    const cut = provider.fault({ kind: 'cut', fraction: 0.5 });
    const read = async () => {
      const stream = await runner.run(agent, 'x', { stream: true });
      for await (const _event of stream);
      await stream.completed;
    };
    expect(await rejection(read())).toBeInstanceOf(Error);
    await cut.end();
    provider.fault({ kind: 'error', status: 429, headers: { 'retry-after': '90' }, afterMs: 0 });
    const error = await rejection(runner.run(agent, 'x'));
    expect((error as Error).constructor.name).toBe(RateLimitError.name);
  });
});
