import type { Usage } from '../route-report';

export type { Usage };

/** Why a model stopped: OpenAI's `finish_reason`. */
export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'function_call';

/** A function call that the model asks for. */
export interface ToolCall {
  /** Id to send back with the result of the function. */
  id: string;
  /** Always 'function'. */
  type: 'function';
  /** The function to call. */
  function: {
    /** Name of the function. */
    name: string;
    /** Arguments as JSON text, as the model wrote it. */
    arguments: string;
  };
}

/** An OpenAI chat completion. Fields that an upstream adds are kept. */
export interface ChatCompletion {
  /** Id that the provider gave the answer. */
  id: string;
  /** Always 'chat.completion'. */
  object: 'chat.completion';
  /** Unix time in seconds. */
  created: number;
  /** The model that answered, as the provider names it. */
  model: string;
  /** The answers; one unless the request sets `n`. */
  choices: {
    /** Position in the list of choices. */
    index: number;
    /** Why the model stopped. */
    finish_reason: FinishReason;
    /** Log probabilities; passed through if the provider sends them. */
    logprobs: null;
    /** The answer itself. */
    message: {
      /** Always 'assistant'. */
      role: 'assistant';
      /** The text; null if the model calls tools or refuses. */
      content: string | null;
      /** The text of a refusal; null without one. */
      refusal: string | null;
      /** The function calls that the model asks for. */
      tool_calls?: ToolCall[];
    };
  }[];
  /** Token counts, if the provider reports them. */
  usage?: Usage;
  /** Fingerprint of the provider's configuration, if the provider sends one. */
  system_fingerprint?: string;
}

/** One event of a streamed OpenAI chat completion. */
export interface ChatCompletionChunk {
  /** Id of the answer; the same in every chunk. */
  id: string;
  /** Always 'chat.completion.chunk'. */
  object: 'chat.completion.chunk';
  /** Unix time in seconds. */
  created: number;
  /** The model that answers, as the provider names it. */
  model: string;
  /** What this chunk adds to each choice; empty in a chunk that only holds the usage. */
  choices: {
    /** Position of the choice in the answer. */
    index: number;
    /** Why the model stopped; null until it has. */
    finish_reason: FinishReason | null;
    /** What is added to the message. */
    delta: {
      /** The role, in the first chunk. */
      role?: 'assistant' | 'user' | 'system' | 'tool' | 'developer';
      /** The next piece of text. */
      content?: string | null;
      /** The next piece of a refusal. */
      refusal?: string | null;
      /** The next pieces of function calls. */
      tool_calls?: {
        /** Position of the function call in the message. */
        index: number;
        /** Id of the function call, in its first piece. */
        id?: string;
        /** Always 'function', in the first piece. */
        type?: 'function';
        /** The function to call. */
        function?: {
          /** Name of the function, in the first piece. */
          name?: string;
          /** The next piece of the arguments, which are JSON text. */
          arguments?: string;
        };
      }[];
    };
  }[];
  /** Token counts, in the last chunk if `stream_options.include_usage` is set. */
  usage?: Usage | null;
  /** Fingerprint of the provider's configuration, if the provider sends one. */
  system_fingerprint?: string;
}

/** An OpenAI embeddings response. With `encoding_format: 'base64'` an embedding is a string on the wire. */
export interface EmbeddingResponse {
  /** Always 'list'. */
  object: 'list';
  /** The model that answered, as the provider names it. */
  model: string;
  /** One entry per input. */
  data: {
    /** Always 'embedding'. */
    object: 'embedding';
    /** Position of the input. */
    index: number;
    /** The vector. */
    embedding: number[];
  }[];
  /** Token counts. */
  usage: {
    /** Tokens of all inputs. */
    prompt_tokens: number;
    /** The same as `prompt_tokens`. */
    total_tokens: number;
  };
}
