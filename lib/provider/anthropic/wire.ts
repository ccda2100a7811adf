/*
 * The part of Anthropic's Messages API that is sent and read here. The tests check it against the types of
 * @anthropic-ai/sdk. Source: https://platform.claude.com/docs/en/api/messages
 */

export interface Cacheable {
  cache_control?: CacheControl;
}

export interface CacheControl {
  type: 'ephemeral';
  ttl?: '5m' | '1h';
}

export type MediaSource =
  | { type: 'base64'; media_type: string; data: string }
  | { type: 'text'; media_type: 'text/plain'; data: string }
  | { type: 'url'; url: string };

export type TextBlock = { type: 'text'; text: string } & Cacheable;
export type MediaBlock =
  | ({ type: 'image'; source: MediaSource } & Cacheable)
  | ({ type: 'document'; source: MediaSource; title?: string } & Cacheable);
export type ToolUseBlock = {
  type: 'tool_use';
  id: string;
  name: string;
  input: Record<string, unknown>;
} & Cacheable;
export type ToolResultBlock = {
  type: 'tool_result';
  tool_use_id: string;
  content?: string | (TextBlock | MediaBlock)[];
} & Cacheable;

/** A thinking block. Its content is not interpreted, only sent back unchanged. */
export interface ThinkingBlock {
  readonly type: 'thinking' | 'redacted_thinking';
  readonly [field: string]: unknown;
}

export type RequestBlock = TextBlock | MediaBlock | ToolUseBlock | ToolResultBlock | ThinkingBlock;

export interface RequestMessage {
  role: 'user' | 'assistant';
  content: RequestBlock[];
}

export type Tool = {
  name: string;
  description?: string;
  input_schema: { type: 'object'; [keyword: string]: unknown };
} & Cacheable;

export type ToolChoice =
  | { type: 'auto' | 'any'; disable_parallel_tool_use?: boolean }
  | { type: 'tool'; name: string; disable_parallel_tool_use?: boolean }
  | { type: 'none' };

export type Effort = 'low' | 'medium' | 'high' | 'xhigh' | 'max';

export type Thinking =
  | { type: 'adaptive'; display?: 'summarized' }
  | { type: 'enabled'; budget_tokens: number }
  | { type: 'disabled' };

export interface OutputConfig {
  effort?: Effort;
  format?: { type: 'json_schema'; schema: Record<string, unknown> };
}

export interface MessagesRequest {
  model: string;
  max_tokens: number;
  messages: RequestMessage[];
  system?: TextBlock[];
  stream?: boolean;
  temperature?: number;
  top_p?: number;
  top_k?: number;
  stop_sequences?: string[];
  tools?: Tool[];
  tool_choice?: ToolChoice;
  thinking?: Thinking;
  output_config?: OutputConfig;
  metadata?: { user_id: string };
}

export type StopReason =
  | 'end_turn'
  | 'max_tokens'
  | 'stop_sequence'
  | 'tool_use'
  | 'pause_turn'
  | 'refusal'
  | 'model_context_window_exceeded';

export interface WireUsage {
  input_tokens?: number | null;
  output_tokens?: number | null;
  cache_creation_input_tokens?: number | null;
  cache_read_input_tokens?: number | null;
  output_tokens_details?: { thinking_tokens?: number } | null;
}
