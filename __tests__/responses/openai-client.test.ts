import type { ProviderOptions } from 'express-ai-balancer/simulator';
import type OpenAI from 'openai';
import { APIError, BadRequestError, RateLimitError } from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { endpointAt, Rig, rejection } from '../helpers/provider';
import { DOORS, Doors } from './fixtures/doors';

const rig = new Rig();
const doors = new Doors();
const TEXT = 'It left our house this morning.';
const ASK = { model: 'gpt-4o', input: 'Where is my parcel?' };
const TOOL = {
  type: 'function' as const,
  name: 'find_order',
  description: 'Finds an order',
  parameters: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
  strict: true,
};

describe.each(DOORS)(
  "OpenAI's client calling responses %s, over an upstream with chat completions only",
  (door) => {
    async function open(options: ProviderOptions = { reply: () => TEXT }) {
      const provider = await rig.provider(options);
      const balancer = rig.balancer([endpointAt(provider)], { retry: { maxAttempts: 1 } });
      return { provider, balancer, client: await doors.openai(door, balancer) };
    }
    const bodyOf = (provider: { requests: readonly { body?: unknown }[] }) => provider.requests.at(-1)?.body;

    it('gets a whole response', async () => {
      const { client, provider } = await open();
      const response = await client.responses.create({
        ...ASK,
        instructions: 'Be brief.',
        temperature: 0.5,
        max_output_tokens: 50,
        metadata: { page: 'help' },
      });
      expect(response.output_text).toBe(TEXT);
      expect(response).toMatchObject({
        object: 'response',
        status: 'completed',
        error: null,
        incomplete_details: null,
        instructions: 'Be brief.',
        model: 'gpt-4o',
        temperature: 0.5,
        metadata: { page: 'help' },
        usage: { input_tokens: expect.any(Number) as number, output_tokens: expect.any(Number) as number },
      });
      expect(response.output).toEqual([
        {
          type: 'message',
          id: expect.stringMatching(/^msg_/) as string,
          role: 'assistant',
          status: 'completed',
          content: [{ type: 'output_text', text: TEXT, annotations: [] }],
        },
      ]);
      expect(bodyOf(provider)).toEqual({
        model: 'gpt-4o',
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'Where is my parcel?' },
        ],
        temperature: 0.5,
        max_tokens: 50,
        metadata: { page: 'help' },
      });
    });

    it('streams the events of a response', async () => {
      const { client } = await open();
      const types: string[] = [];
      let text = '';
      let sequence = 0;
      for await (const event of await client.responses.create({ ...ASK, stream: true })) {
        expect(event.sequence_number).toBe(sequence++);
        if (types.at(-1) !== event.type) types.push(event.type);
        if (event.type === 'response.output_text.delta') text += event.delta;
      }
      expect(text).toBe(TEXT);
      expect(types).toEqual([
        'response.created',
        'response.in_progress',
        'response.output_item.added',
        'response.content_part.added',
        'response.output_text.delta',
        'response.output_text.done',
        'response.content_part.done',
        'response.output_item.done',
        'response.completed',
      ]);
      const final = await client.responses.stream(ASK).finalResponse();
      expect(final.output_text).toBe(TEXT);
      expect(final.status).toBe('completed');
      expect(final.usage?.output_tokens).toBeGreaterThan(0);
    });

    it.each([[false], [true]])('calls functions and sends their results (stream: %s)', async (stream) => {
      const { client, provider } = await open({});
      const ask = async (body: OpenAI.Responses.ResponseCreateParamsNonStreaming) =>
        stream ? client.responses.stream(body as never).finalResponse() : client.responses.create(body);
      const input: OpenAI.Responses.ResponseInputItem[] = [{ role: 'user', content: 'Where is order 7?' }];
      const first = await ask({ model: 'gpt-4o', input, tools: [TOOL], tool_choice: 'required' });
      const call = first.output[0] as OpenAI.Responses.ResponseFunctionToolCall;
      expect(call).toMatchObject({ type: 'function_call', name: 'find_order', status: 'completed' });
      expect(JSON.parse(call.arguments)).toHaveProperty('id');

      input.push(call, { type: 'function_call_output', call_id: call.call_id, output: 'on its way' });
      const second = await ask({ model: 'gpt-4o', input, tools: [TOOL] });
      expect(second.output_text).not.toBe('');
      expect(bodyOf(provider)).toMatchObject({
        messages: [
          { role: 'user', content: 'Where is order 7?' },
          {
            role: 'assistant',
            content: null,
            tool_calls: [
              {
                id: call.call_id,
                type: 'function',
                function: { name: 'find_order', arguments: call.arguments },
              },
            ],
          },
          { role: 'tool', tool_call_id: call.call_id, content: 'on its way' },
        ],
        tools: [{ type: 'function', function: { name: 'find_order', strict: true } }],
      });
    });

    it('parses structured output', async () => {
      const { client, provider } = await open({});
      const Place = z.object({ city: z.string(), days: z.number() });
      const response = await client.responses.parse({
        ...ASK,
        text: { format: zodTextFormat(Place, 'place') },
      });
      expect(Place.safeParse(response.output_parsed).success).toBe(true);
      expect(bodyOf(provider)).toMatchObject({
        response_format: { type: 'json_schema', json_schema: { name: 'place', strict: true } },
      });
    });

    it('sends images and files', async () => {
      const { client, provider } = await open();
      const image_url = 'data:image/png;base64,iVBORw0KGgo=';
      await client.responses.create({
        model: 'gpt-4o',
        input: [
          {
            role: 'user',
            content: [
              { type: 'input_text', text: 'What is this?' },
              { type: 'input_image', image_url, detail: 'low' },
              { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERg==' },
            ],
          },
        ],
      });
      expect(bodyOf(provider)).toMatchObject({
        messages: [
          {
            content: [
              { type: 'text', text: 'What is this?' },
              { type: 'image_url', image_url: { url: image_url, detail: 'low' } },
              {
                type: 'file',
                file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERg==' },
              },
            ],
          },
        ],
      });
    });

    it('gets an incomplete response if the output limit cuts the answer off', async () => {
      const { client } = await open({});
      const body = { ...ASK, max_output_tokens: 3, metadata: { simulate_output_tokens: '50' } };
      expect(await client.responses.create(body)).toMatchObject({
        status: 'incomplete',
        incomplete_details: { reason: 'max_output_tokens' },
      });
      expect(await client.responses.stream(body).finalResponse()).toMatchObject({ status: 'incomplete' });
    });

    it('gets an error, never a short answer, if the stream is cut', async () => {
      const { client, provider } = await open({ timeScale: 0.1 });
      provider.fault({ kind: 'cut', fraction: 0.5 });
      const body = { ...ASK, metadata: { simulate_output_tokens: '200' }, stream: true as const };
      const types: string[] = [];
      const read = async () => {
        for await (const { type } of await client.responses.create(body)) types.push(type);
      };
      const error = await rejection(read());
      expect(error).toBeInstanceOf(APIError);
      expect(error).toMatchObject({ code: 'ERR_AI_STREAM_BROKEN' });
      expect(types).toContain('response.output_text.delta');
      expect(types.at(-1)).toBe('response.failed');
      expect(types).not.toContain('response.completed');
      expect(await rejection(client.responses.stream(body).finalResponse())).toBeInstanceOf(APIError);
    });

    it('gets errors of its own classes', async () => {
      const { client, provider } = await open();
      const refused = async (body: object) => rejection(client.responses.create({ ...ASK, ...body }));
      expect(await refused({ input: [] })).toMatchObject({ status: 400, param: 'input' });
      for (const [param, body] of [
        ['previous_response_id', { previous_response_id: 'resp_1' }],
        ['store', { store: true }],
        ['background', { background: true }],
        ['tools', { tools: [{ type: 'web_search' }] }],
        ['input[0].type', { input: [{ type: 'item_reference', id: 'msg_1' }] }],
      ] as const) {
        const error = await refused(body);
        expect(error).toBeInstanceOf(BadRequestError);
        expect(error).toMatchObject({ param, message: expect.stringContaining('Responses API') as string });
      }
      const first = await client.responses.create(ASK);
      expect(await refused({ previous_response_id: first.id })).toMatchObject({
        message: expect.stringContaining('Send the whole conversation') as string,
      });
      expect(provider.requests).toHaveLength(1);

      provider.fault({ kind: 'error', status: 429, headers: { 'retry-after': '90' }, afterMs: 0 });
      expect(await refused({})).toBeInstanceOf(RateLimitError);
    });

    it('can refer to items of an earlier response by their ids', async () => {
      const { client, provider } = await open();
      const first = await client.responses.create(ASK);
      await client.responses.create({
        model: 'gpt-4o',
        input: [
          { role: 'user', content: 'Where is my parcel?' },
          { type: 'item_reference', id: first.output[0]?.id ?? '' },
          { role: 'user', content: 'And the other one?' },
        ],
      });
      expect(bodyOf(provider)).toMatchObject({
        messages: [{ role: 'user' }, { role: 'assistant', content: TEXT }, { role: 'user' }],
      });
    });
  },
);
