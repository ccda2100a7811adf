import type Anthropic from '@anthropic-ai/sdk';

/*
 * Answers of the Messages API, in the form of the documentation; the compiler checks them against the types of
 * @anthropic-ai/sdk. Sources:
 * https://platform.claude.com/docs/en/api/messages
 * https://platform.claude.com/docs/en/build-with-claude/streaming
 * https://platform.claude.com/docs/en/agents-and-tools/tool-use/implement-tool-use
 * https://platform.claude.com/docs/en/build-with-claude/extended-thinking
 */

const USAGE = {
  input_tokens: 400,
  output_tokens: 90,
  cache_creation_input_tokens: 100,
  cache_read_input_tokens: 1500,
  cache_creation: null,
  inference_geo: null,
  output_tokens_details: { thinking_tokens: 30 },
  server_tool_use: null,
  service_tier: 'standard',
  speed: null,
} satisfies Anthropic.Usage;

const MESSAGE = {
  id: 'msg_01XFDUDYJgAACzvnptvVoYEL',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-5-20250929',
  container: null,
  diagnostics: null,
  stop_details: null,
  stop_sequence: null,
  usage: USAGE,
} as const;

export const TEXT_MESSAGE = {
  ...MESSAGE,
  content: [
    { type: 'text', text: 'It is sunny in ', citations: null },
    { type: 'text', text: 'Lyon: 24 °C.', citations: null },
  ],
  stop_reason: 'end_turn',
} satisfies Anthropic.Message;

export const TOOL_MESSAGE = {
  ...MESSAGE,
  content: [
    {
      type: 'thinking',
      thinking: 'I need the weather of two cities.',
      signature: 'EqQBCgIYAhIM1gbcDa9GJwZA2b3h',
    },
    { type: 'redacted_thinking', data: 'EmwKAhgBEgy3va3pzix/LafPsn4a' },
    { type: 'text', text: 'I look both up.', citations: null },
    {
      type: 'tool_use',
      id: 'toolu_01T1x1fJ34qAmk2tNTrN7Up6',
      name: 'get_weather',
      input: { city: 'Lyon', unit: 'celsius' },
      caller: { type: 'direct' },
    },
    {
      type: 'tool_use',
      id: 'toolu_01D7FLrfh4GYq7yT1ULFeyMV',
      name: 'get_time',
      input: {},
      caller: { type: 'direct' },
    },
  ],
  stop_reason: 'tool_use',
} satisfies Anthropic.Message;

type StreamEvent = Anthropic.RawMessageStreamEvent | { readonly type: 'ping' };

const { content: _content, stop_reason: _reason, ...HEAD } = TEXT_MESSAGE;
const START = {
  type: 'message_start',
  message: {
    ...HEAD,
    content: [],
    stop_reason: null,
    usage: { ...USAGE, output_tokens: 1, output_tokens_details: null },
  },
} satisfies StreamEvent;

function end(reason: Anthropic.StopReason): StreamEvent[] {
  return [
    {
      type: 'message_delta',
      delta: { stop_reason: reason, stop_sequence: null, stop_details: null, container: null },
      usage: {
        input_tokens: null,
        cache_creation_input_tokens: null,
        cache_read_input_tokens: null,
        output_tokens: 90,
        output_tokens_details: { thinking_tokens: 30 },
        server_tool_use: null,
      },
    },
    { type: 'message_stop' },
  ];
}

/** The stream of {@link TEXT_MESSAGE}. */
export const TEXT_EVENTS: StreamEvent[] = [
  START,
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '', citations: null } },
  { type: 'ping' },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'It is sunny' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: ' in Lyon: 24 °C.' } },
  { type: 'content_block_stop', index: 0 },
  ...end('end_turn'),
];

/** The stream of {@link TOOL_MESSAGE}. */
export const TOOL_EVENTS: StreamEvent[] = [
  START,
  { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } },
  {
    type: 'content_block_delta',
    index: 0,
    delta: { type: 'thinking_delta', thinking: 'I need the weather' },
  },
  { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: ' of two cities.' } },
  {
    type: 'content_block_delta',
    index: 0,
    delta: { type: 'signature_delta', signature: 'EqQBCgIYAhIM1gbcDa9GJwZA2b3h' },
  },
  { type: 'content_block_stop', index: 0 },
  {
    type: 'content_block_start',
    index: 1,
    content_block: { type: 'redacted_thinking', data: 'EmwKAhgBEgy3va3pzix/LafPsn4a' },
  },
  { type: 'content_block_stop', index: 1 },
  { type: 'content_block_start', index: 2, content_block: { type: 'text', text: '', citations: null } },
  { type: 'content_block_delta', index: 2, delta: { type: 'text_delta', text: 'I look both up.' } },
  { type: 'content_block_stop', index: 2 },
  {
    type: 'content_block_start',
    index: 3,
    content_block: {
      type: 'tool_use',
      id: 'toolu_01T1x1fJ34qAmk2tNTrN7Up6',
      name: 'get_weather',
      input: {},
      caller: { type: 'direct' },
    },
  },
  { type: 'content_block_delta', index: 3, delta: { type: 'input_json_delta', partial_json: '' } },
  { type: 'content_block_delta', index: 3, delta: { type: 'input_json_delta', partial_json: '{"city":"Ly' } },
  {
    type: 'content_block_delta',
    index: 3,
    delta: { type: 'input_json_delta', partial_json: 'on","unit":"celsius"}' },
  },
  { type: 'content_block_stop', index: 3 },
  {
    type: 'content_block_start',
    index: 4,
    content_block: {
      type: 'tool_use',
      id: 'toolu_01D7FLrfh4GYq7yT1ULFeyMV',
      name: 'get_time',
      input: {},
      caller: { type: 'direct' },
    },
  },
  { type: 'content_block_stop', index: 4 },
  ...end('tool_use'),
];

export function toSse(events: readonly { readonly type: string }[]): string {
  return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
}

/** Source: https://platform.claude.com/docs/en/build-with-claude/streaming#error-events */
export const OVERLOADED_EVENT =
  'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}\n\n';
