import type { Usage } from '../route-report';

export type { Usage };

/** Why a model stopped: OpenAI's `finish_reason`. */
export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'function_call';

/** A function call that the model asks for. */
export interface ToolCall {
  id: string;
  type: 'function';
  /** `arguments` is JSON text, as the model wrote it. */
  function: { name: string; arguments: string };
}

/** An OpenAI chat completion. Fields that an upstream adds are kept. */
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

/** One event of a streamed OpenAI chat completion. */
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

/** An OpenAI embeddings response. With `encoding_format: 'base64'` an embedding is a string on the wire. */
export interface EmbeddingResponse {
  object: 'list';
  model: string;
  data: { object: 'embedding'; index: number; embedding: number[] }[];
  usage: { prompt_tokens: number; total_tokens: number };
}
