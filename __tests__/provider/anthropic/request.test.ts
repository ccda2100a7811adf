import type Anthropic from '@anthropic-ai/sdk';
import { anthropicDialect } from '../../../lib/provider/anthropic/anthropic-dialect';
import type { DialectCall, DialectEndpoint } from '../../../lib/provider/dialect';
import {
  ask,
  CLOCK_TOOL,
  CONVERSATION,
  chat,
  endpointOf,
  PNG,
  TOOLS,
  WEATHER_TOOL,
} from '../fixtures/conversation';

// The SDK no longer lists the sampling parameters, which models before Claude 4.7 still accept.
type Sent = Anthropic.MessageCreateParams & { temperature?: number; top_p?: number; top_k?: number };

const SONNET = endpointOf('anthropic', 'claude-sonnet-4-5-20250929', { maxOutputTokens: 64_000 });
const OLD = endpointOf('anthropic', 'claude-3-5-haiku-20241022', { maxOutputTokens: 8192 });
const NEW = endpointOf('anthropic', 'claude-opus-4-8', { maxOutputTokens: 128_000 });

function sent(call: DialectCall, endpoint: DialectEndpoint = SONNET): Sent {
  return JSON.parse(anthropicDialect.request(call, endpoint).body) as Sent;
}

const dropped = (call: DialectCall, endpoint: DialectEndpoint = SONNET) =>
  anthropicDialect.request(call, endpoint).dropped;

describe('A request of the Anthropic dialect', () => {
  it('carries a whole conversation: system prompt, image, parallel tool calls and their results', () => {
    expect(sent(chat({ model: 'auto', messages: CONVERSATION, tools: TOOLS }))).toEqual({
      model: 'claude-sonnet-4-5-20250929',
      max_tokens: 64_000,
      system: [{ type: 'text', text: 'Answer in one sentence.' }],
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is the weather where this was taken?' },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } },
          ],
        },
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'I look it up.' },
            {
              type: 'tool_use',
              id: 'call_1',
              name: 'get_weather',
              input: { city: 'Paris', unit: 'celsius' },
            },
            { type: 'tool_use', id: 'call_2', name: 'get_time', input: {} },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'call_1', content: '{"celsius":21}' },
            { type: 'tool_result', tool_use_id: 'call_2', content: '12:00' },
            { type: 'text', text: 'And in Lyon?' },
          ],
        },
      ],
      tools: [
        {
          name: 'get_weather',
          description: 'The weather of a city',
          input_schema: WEATHER_TOOL.function.parameters,
        },
        { name: 'get_time', input_schema: { type: 'object', properties: {} } },
      ],
    } satisfies Sent);
  });

  it('has the key in x-api-key and the API version in anthropic-version', () => {
    const endpoint = {
      ...SONNET,
      apiKey: 'sk-ant\n',
      headers: { 'Anthropic-Beta': 'context-1m-2025-08-07' },
    };
    const { path, headers } = anthropicDialect.request(ask({}, true), endpoint);
    expect(path).toBe('/messages');
    expect(headers).toEqual({
      'content-type': 'application/json',
      accept: 'text/event-stream',
      'x-api-key': 'sk-ant',
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'context-1m-2025-08-07',
    });
    expect(sent(ask({}, true)).stream).toBe(true);
    expect(anthropicDialect.request(ask(), { ...SONNET, apiKey: undefined }).headers).not.toHaveProperty(
      'x-api-key',
    );
  });

  it("sets max_tokens to the caller's limit, at most the model's largest output, which is also the default", () => {
    expect(sent(ask()).max_tokens).toBe(64_000);
    expect(sent(ask({ max_tokens: 10 })).max_tokens).toBe(10);
    expect(sent(ask({ max_tokens: 10, max_completion_tokens: 20 })).max_tokens).toBe(20);
    expect(sent(ask({ max_tokens: 100_000 }), OLD).max_tokens).toBe(8192);
    expect(sent(ask(), endpointOf('anthropic', 'claude-next')).max_tokens).toBe(8192);
  });

  it('joins consecutive messages of one side, leaves out empty texts, and trims a final assistant text', () => {
    const messages = [
      { role: 'developer', content: 'Be brief.' },
      { role: 'user', content: 'One' },
      {
        role: 'user',
        content: [
          { type: 'text', text: '' },
          { type: 'text', text: 'Two' },
        ],
      },
      { role: 'system', content: [{ type: 'text', text: 'Be kind.' }] },
      { role: 'assistant', content: '' },
      { role: 'assistant', content: 'Three: \n' },
    ];
    const { system, messages: turns } = sent(chat({ messages }));
    expect(system).toEqual([
      { type: 'text', text: 'Be brief.' },
      { type: 'text', text: 'Be kind.' },
    ]);
    expect(turns).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'One' },
          { type: 'text', text: 'Two' },
        ],
      },
      { role: 'assistant', content: [{ type: 'text', text: 'Three:' }] },
    ]);
    expect(sent(chat({ messages: [{ role: 'system', content: 'Greet me.' }] })).messages).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'Greet me.' }] },
    ]);
  });

  it('carries images by URL, PDFs and texts as documents, and tool results that contain an image', () => {
    const pdf = 'data:application/pdf;base64,JVBERi0=';
    const messages = [
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: 'https://example.com/a.jpg', detail: 'high' } },
          { type: 'file', file: { filename: 'a.pdf', file_data: pdf } },
          { type: 'file', file: { file_data: 'data:text/csv;base64,YSxi' } },
        ],
      },
      {
        role: 'assistant',
        tool_calls: [{ id: 'c', type: 'function', function: { name: 'look', arguments: '{}' } }],
      },
      {
        role: 'tool',
        tool_call_id: 'c',
        content: [{ type: 'image_url', image_url: { url: `data:image/jpg;base64,${PNG}` } }],
      },
    ];
    expect(sent(chat({ messages })).messages).toEqual([
      {
        role: 'user',
        content: [
          { type: 'image', source: { type: 'url', url: 'https://example.com/a.jpg' } },
          {
            type: 'document',
            source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERi0=' },
            title: 'a.pdf',
          },
          { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'a,b' } },
        ],
      },
      { role: 'assistant', content: [{ type: 'tool_use', id: 'c', name: 'look', input: {} }] },
      {
        role: 'user',
        content: [
          {
            type: 'tool_result',
            tool_use_id: 'c',
            content: [{ type: 'image', source: { type: 'base64', media_type: 'image/jpeg', data: PNG } }],
          },
        ],
      },
    ] satisfies Anthropic.MessageParam[]);
    expect(dropped(chat({ messages }))).toEqual(['image detail']);
  });

  it('keeps cache_control on system texts, messages, tool results and tools', () => {
    const cache_control = { type: 'ephemeral', ttl: '1h' };
    const call = chat({
      messages: [
        { role: 'system', content: [{ type: 'text', text: 'Rules', cache_control }] },
        { role: 'user', content: 'Question', cache_control },
        { role: 'assistant', tool_calls: [{ id: 'c', function: { name: 'f', arguments: '{"a":1}' } }] },
        { role: 'tool', tool_call_id: 'c', content: 'r', cache_control },
      ],
      tools: [{ ...WEATHER_TOOL, cache_control }],
    });
    const { system, messages, tools } = sent(call);
    expect(system).toEqual([{ type: 'text', text: 'Rules', cache_control }]);
    expect(messages[0]?.content).toEqual([{ type: 'text', text: 'Question', cache_control }]);
    expect(messages[2]?.content).toEqual([
      { type: 'tool_result', tool_use_id: 'c', content: 'r', cache_control },
    ]);
    expect(tools?.[0]).toHaveProperty('cache_control', cache_control);
    expect(dropped(call)).toEqual([]);
  });

  it.each<[object, object]>([
    [{ tool_choice: 'auto' }, { tool_choice: { type: 'auto' } }],
    [{ tool_choice: 'none' }, { tool_choice: { type: 'none' } }],
    [{ tool_choice: 'required' }, { tool_choice: { type: 'any' } }],
    [
      { tool_choice: { type: 'function', function: { name: 'get_time' } } },
      { tool_choice: { type: 'tool', name: 'get_time' } },
    ],
    [{ parallel_tool_calls: false }, { tool_choice: { type: 'auto', disable_parallel_tool_use: true } }],
    [
      { tool_choice: 'required', parallel_tool_calls: false },
      { tool_choice: { type: 'any', disable_parallel_tool_use: true } },
    ],
    [
      {
        tool_choice: {
          type: 'allowed_tools',
          allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'get_time' } }] },
        },
      },
      {
        tool_choice: { type: 'any' },
        tools: [{ name: 'get_time', input_schema: { type: 'object', properties: {} } }],
      },
    ],
  ])('translates %j to %j', (fields, expected) => {
    expect(sent(ask({ tools: [WEATHER_TOOL, CLOCK_TOOL], ...fields }))).toMatchObject(expected);
  });

  it('defines the tools of past tool calls if the call has none, and forbids calling them', () => {
    const { tools, tool_choice } = sent(chat({ messages: CONVERSATION }));
    expect(tools).toEqual([
      { name: 'get_weather', input_schema: { type: 'object' } },
      { name: 'get_time', input_schema: { type: 'object' } },
    ]);
    expect(tool_choice).toEqual({ type: 'none' });
  });

  it('replaces a tool call id of another provider by the same valid id in the call and its result', () => {
    const id = 'functions.get_time:0';
    const messages = [
      {
        role: 'assistant',
        tool_calls: [{ id, type: 'function', function: { name: 'f', arguments: 'no JSON' } }],
      },
      { role: 'tool', tool_call_id: id, content: 'r' },
    ];
    const [call, result] = sent(chat({ messages })).messages.map(({ content }) => content[0]) as [
      Anthropic.ToolUseBlockParam,
      Anthropic.ToolResultBlockParam,
    ];
    expect(call.id).toMatch(/^[a-zA-Z0-9_-]{32}$/);
    expect(result.tool_use_id).toBe(call.id);
    expect(call.input).toEqual({ arguments: 'no JSON' });
  });

  it('puts tool results first in their turn, and leaves out texts that are only white space', () => {
    const messages = [
      {
        role: 'assistant',
        content: ' ',
        tool_calls: [{ id: 'c', function: { name: 'f', arguments: '{}' } }],
      },
      { role: 'user', content: 'Wait' },
      { role: 'tool', tool_call_id: 'c', content: 'r' },
      { role: 'user', content: '\n' },
      { role: 'assistant', content: '  ' },
    ];
    expect(sent(chat({ messages })).messages).toEqual([
      { role: 'assistant', content: [{ type: 'tool_use', id: 'c', name: 'f', input: {} }] },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'c', content: 'r' },
          { type: 'text', text: 'Wait' },
        ],
      },
    ]);
  });

  it('sends thinking blocks back unchanged, before the text', () => {
    const thinking_blocks = [
      { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' },
      { type: 'redacted_thinking', data: 'ZGF0YQ==' },
    ];
    const { messages } = sent(chat({ messages: [{ role: 'assistant', content: 'Hi', thinking_blocks }] }));
    expect(messages[0]?.content).toEqual([...thinking_blocks, { type: 'text', text: 'Hi' }]);
  });

  it("translates stop, temperature, top_p and user to the API's own fields", () => {
    const call = ask({ stop: ['END', '\n'], temperature: 1.5, user: 'u1' });
    expect(sent(call)).toMatchObject({
      stop_sequences: ['END'],
      temperature: 1,
      metadata: { user_id: 'u1' },
    });
    expect(dropped(call)).toEqual(['temperature above 1', 'stop of white space alone']);
    expect(sent(ask({ stop: 'END', top_p: 0.5 }))).toMatchObject({ stop_sequences: ['END'], top_p: 0.5 });
  });

  it('leaves out top_p beside a temperature from Claude 4.1, and all sampling parameters from 4.7', () => {
    const call = ask({ temperature: 0.2, top_p: 0.9 });
    expect(sent(call, OLD)).toMatchObject({ temperature: 0.2, top_p: 0.9 });
    expect(sent(call)).not.toHaveProperty('top_p');
    expect(dropped(call)).toEqual(['top_p']);
    expect(sent(call, NEW)).not.toHaveProperty('temperature');
    expect(dropped(call, NEW)).toEqual(['temperature', 'top_p']);
    expect(dropped(ask({ temperature: 1 }), NEW)).toEqual([]);
  });

  it.each<[string, string, object, object]>([
    [
      'claude-opus-4-8',
      'high',
      {},
      { thinking: { type: 'adaptive', display: 'summarized' }, output_config: { effort: 'high' } },
    ],
    ['claude-opus-4-6', 'xhigh', {}, { thinking: { type: 'adaptive' }, output_config: { effort: 'high' } }],
    ['claude-opus-4-8', 'minimal', {}, { output_config: { effort: 'low' } }],
    [
      'claude-sonnet-4-5',
      'medium',
      { max_tokens: 10_000 },
      { thinking: { type: 'enabled', budget_tokens: 5000 } },
    ],
    [
      'claude-sonnet-4-5',
      'low',
      { max_tokens: 2000 },
      { thinking: { type: 'enabled', budget_tokens: 1024 } },
    ],
    ['claude-opus-5', 'none', {}, { thinking: { type: 'disabled' } }],
    ['claude-fable-5', 'none', {}, { output_config: { effort: 'low' } }],
  ])(
    'translates, for %s, the reasoning_effort %s with %j to %j',
    (model, reasoning_effort, fields, expected) => {
      expect(sent(ask({ reasoning_effort, ...fields }), endpointOf('anthropic', model))).toMatchObject(
        expected,
      );
    },
  );

  it('leaves out reasoning_effort, and reports it as dropped, if the model or the call allows no thinking', () => {
    const effort = { reasoning_effort: 'high' };
    const loop = chat({ messages: CONVERSATION.slice(0, 5), ...effort, tools: TOOLS });
    for (const [call, endpoint] of [
      [ask(effort), OLD],
      [ask({ ...effort, max_tokens: 500 }), SONNET],
      [ask({ ...effort, tools: TOOLS, tool_choice: 'required' }), SONNET],
      // A tool loop that another provider has begun has no thinking blocks, which a budget requires.
      [loop, SONNET],
    ] as const) {
      expect(sent(call, endpoint)).not.toHaveProperty('thinking');
      expect(dropped(call, endpoint)).toContain('reasoning_effort');
    }
    expect(sent(loop, NEW)).toHaveProperty('thinking.type', 'adaptive');
    expect(sent(ask({ ...effort, temperature: 0.5 }))).not.toHaveProperty('temperature');
  });

  it("sends Anthropic's own `thinking` and `top_k` unchanged", () => {
    const thinking = { type: 'enabled', budget_tokens: 2000 };
    expect(sent(ask({ thinking }))).toMatchObject({ thinking });
    expect(sent(ask({ top_k: 5 }))).toMatchObject({ top_k: 5 });
    expect(dropped(ask({ thinking }))).toEqual([]);
  });
});

describe('JSON output of the Anthropic dialect', () => {
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    properties: { age: { type: 'integer', minimum: 0 }, tags: { type: 'array', items: { type: 'string' } } },
    required: ['age'],
  };
  const json_schema = { name: 'person', schema };
  const call = ask({ response_format: { type: 'json_schema', json_schema } });

  it('uses structured outputs from Claude 4.5, with the schema in the subset that they accept', () => {
    expect(sent(call).output_config).toEqual({
      format: {
        type: 'json_schema',
        schema: {
          type: 'object',
          properties: {
            age: { type: 'integer', description: '{minimum: 0}' },
            tags: { type: 'array', items: { type: 'string' } },
          },
          required: ['age'],
          additionalProperties: false,
        },
      },
    });
    expect(sent(call)).not.toHaveProperty('tools');
  });

  it('uses the input of a forced tool call for older models, open schemas and json_object', () => {
    const open = { type: 'object', additionalProperties: { type: 'number' } };
    for (const request of [
      sent(call, OLD),
      sent(ask({ response_format: { type: 'json_schema', json_schema: { schema: open } } })),
      sent(ask({ response_format: { type: 'json_object' } })),
    ]) {
      expect(request.tool_choice).toEqual({ type: 'tool', name: 'respond_with_json' });
      expect(request.tools).toHaveLength(1);
      expect(request).not.toHaveProperty('output_config');
    }
    const withTools = ask({ response_format: { type: 'json_object' }, tools: TOOLS });
    expect(sent(withTools)).toMatchObject({ tool_choice: { type: 'any' } });
    expect(sent(withTools).tools).toHaveLength(3);
  });

  it('is read from the input of the JSON tool and becomes the text of the answer', () => {
    const message = {
      id: 'msg_1',
      content: [{ type: 'tool_use', id: 't', name: 'respond_with_json', input: { age: 3 } }],
      stop_reason: 'tool_use',
    };
    const http = { status: 200, headers: {}, body: JSON.stringify(message) };
    expect(anthropicDialect.answer(http, call)).toMatchObject({
      choices: [{ finish_reason: 'stop', message: { content: '{"age":3}' } }],
    });
  });
});

describe('The Anthropic dialect', () => {
  it.each<[string, object]>([
    ['n', { n: 2 }],
    ['logprobs', { logprobs: true }],
    ['logit_bias', { logit_bias: { 1: 100 } }],
    ['functions', { functions: [{}] }],
    ['web_search_options', { web_search_options: {} }],
    ['modalities (audio output)', { modalities: ['text', 'audio'] }],
    ['tools[1] (custom tools)', { tools: [WEATHER_TOOL, { type: 'custom', custom: { name: 'x' } }] }],
    [
      'messages[0].content[0] (audio input)',
      {
        messages: [
          { role: 'user', content: [{ type: 'input_audio', input_audio: { data: '', format: 'wav' } }] },
        ],
      },
    ],
    [
      'messages[0].content[0] (files (file_id))',
      { messages: [{ role: 'user', content: [{ type: 'file', file: { file_id: 'file-1' } }] }] },
    ],
    [
      'messages[1].content[0] (other content parts)',
      {
        messages: [
          { role: 'user', content: 'x' },
          { role: 'user', content: [{ type: 'video_url' }] },
        ],
      },
    ],
    [
      'messages[0].content[0] (image/bmp)',
      {
        messages: [
          { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/bmp;base64,AA' } }] },
        ],
      },
    ],
  ])('refuses %s by name', (name, fields) => {
    expect(anthropicDialect.unsupported?.(ask(fields), SONNET)).toBe(name);
  });

  it('accepts a plain conversation with tools and an image', () => {
    expect(
      anthropicDialect.unsupported?.(chat({ messages: CONVERSATION, tools: TOOLS }), SONNET),
    ).toBeUndefined();
  });

  it('refuses json_object for a model that always thinks, because it needs a forced tool call', () => {
    const call = ask({ response_format: { type: 'json_object' } });
    const fable = endpointOf('anthropic', 'claude-fable-5');
    expect(anthropicDialect.unsupported?.(call, fable)).toBe('response_format (json_object)');
    expect(anthropicDialect.unsupported?.(call, SONNET)).toBeUndefined();
  });
});
