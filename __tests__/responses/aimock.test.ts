import { LLMock } from '@copilotkit/aimock';
import type { EndpointConfig } from 'express-ai-balancer';
import type OpenAI from 'openai';
import { APIError } from 'openai';
import { Rig, rejection } from '../helpers/provider';
import { DOORS, Doors } from './fixtures/doors';

/* A mock server by others, with OpenAI's Responses API of its own. */
const mock = new LLMock({ port: 0 });
const rig = new Rig();
const doors = new Doors();
const TEXT = 'Lyon: 24 °C, "sunny".\nGood day.';
const ARGUMENTS = '{"city":"Lyon"}';
const TOOL = {
  type: 'function' as const,
  name: 'get_weather',
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
  strict: false,
};

beforeAll(async () => {
  mock.onMessage('Weather?', { toolCalls: [{ name: 'get_weather', arguments: ARGUMENTS }] });
  mock.onMessage(/Lyon/, { content: TEXT });
  await mock.start();
});
afterEach(() => {
  mock.clearRequests();
});
afterAll(() => mock.stop());

const NATIVE = ['chat', 'tools', 'streaming', 'responses'];
const endpoint = (name: string, more: Partial<EndpointConfig> = {}): EndpointConfig => ({
  name,
  model: 'gpt-4o',
  baseURL: `${mock.url}/v1`,
  apiKey: 'k',
  capabilities: NATIVE,
  ...more,
});

type Body = OpenAI.Responses.ResponseCreateParamsNonStreaming;

describe.each(DOORS)('A Responses call %s, with aimock as the upstream,', (door) => {
  async function open(endpoints: EndpointConfig[]) {
    const client = await doors.openai(
      door,
      rig.balancer(endpoints, { retry: { baseDelayMs: 1, maxDelayMs: 2 } }),
    );
    return (body: Body, stream: boolean) =>
      stream ? client.responses.stream(body as never).finalResponse() : client.responses.create(body);
  }
  const paths = () => mock.getRequests().map(({ path }) => path);

  it.each([false, true])("is answered by aimock's Responses API (streamed: %s)", async (stream) => {
    const ask = await open([endpoint('a')]);
    const response = await ask({ model: 'gpt-4o', input: 'In Lyon?' }, stream);
    expect(response).toMatchObject({ status: 'completed', output_text: TEXT });
    expect(paths()).toEqual(['/v1/responses']);
  });

  it.each([false, true])('calls a function and sends back its result (streamed: %s)', async (stream) => {
    const ask = await open([endpoint('a')]);
    const input: OpenAI.Responses.ResponseInput = [{ role: 'user', content: 'Weather?' }];
    const first = await ask({ model: 'gpt-4o', input, tools: [TOOL] }, stream);
    const call = first.output.find(({ type }) => type === 'function_call') as
      | OpenAI.Responses.ResponseFunctionToolCall
      | undefined;
    expect(call).toMatchObject({ name: 'get_weather', arguments: ARGUMENTS });
    input.push(...(first.output as typeof input));
    input.push({ type: 'function_call_output', call_id: call?.call_id ?? '', output: 'sunny' });
    input.push({ role: 'user', content: 'In Lyon?' });
    expect((await ask({ model: 'gpt-4o', input, tools: [TOOL] }, stream)).output_text).toBe(TEXT);
  });

  describe.each(['drop', 'malformed', 'disconnect'])('whose first endpoint has the fault %s,', (fault) => {
    const broken = () => endpoint('a', { headers: { [`x-aimock-chaos-${fault}`]: '1' } });

    it.each([false, true])('is translated and served by another endpoint (streamed: %s)', async (stream) => {
      const capabilities = NATIVE.filter((name) => name !== 'responses');
      const ask = await open([broken(), endpoint('b', { capabilities, tier: 1 })]);
      const response = await ask({ model: 'gpt-4o', input: 'In Lyon?' }, stream);
      expect(response).toMatchObject({ status: 'completed', output_text: TEXT });
      expect(paths()).toEqual(['/v1/responses', '/v1/chat/completions']);
    });

    it.each([false, true])('fails if there is no other endpoint (streamed: %s)', async (stream) => {
      const ask = await open([broken()]);
      const failed = ask({ model: 'gpt-4o', input: 'In Lyon?' }, stream);
      expect(await rejection(Promise.resolve(failed))).toBeInstanceOf(APIError);
    });
  });
});
