import type { Usage } from '../route-report';

export type { Usage };

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'function_call';

export interface ToolCall {
  id: string;
  type: 'function';
  function: { name: string; arguments: string };
}

/** An OpenAI chat answer. Fields that an upstream adds are kept. */
export interface ChatCompletion {
  id: string;
  object: 'chat.completion';
  created: number;
  model: string;
  choices: {
    index: number;
    finish_reason: FinishReason;
    logprobs: null;
    message: { role: 'assistant'; content: string | null; refusal: string | null; tool_calls?: ToolCall[] };
  }[];
  usage?: Usage;
  system_fingerprint?: string;
}

/** One event of a streamed OpenAI chat answer. */
export interface ChatCompletionChunk {
  id: string;
  object: 'chat.completion.chunk';
  created: number;
  model: string;
  choices: {
    index: number;
    finish_reason: FinishReason | null;
    delta: {
      role?: 'assistant' | 'user' | 'system' | 'tool' | 'developer';
      content?: string | null;
      refusal?: string | null;
      tool_calls?: {
        index: number;
        id?: string;
        type?: 'function';
        function?: { name?: string; arguments?: string };
      }[];
    };
  }[];
  usage?: Usage | null;
  system_fingerprint?: string;
}

/** An OpenAI embeddings answer. With `encoding_format: 'base64'` an embedding is a string on the wire. */
export interface EmbeddingResponse {
  object: 'list';
  model: string;
  data: { object: 'embedding'; index: number; embedding: number[] }[];
  usage: { prompt_tokens: number; total_tokens: number };
}
