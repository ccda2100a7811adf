import type { ChatCompletion, EmbeddingResponse } from './answer';

/** Why a response is not complete. */
export interface ResponseIncompleteDetails {
  /** The output limit was reached, or the content was filtered. */
  reason?: 'max_output_tokens' | 'content_filter';
}

/** A text or a refusal. */
export type ResponseContentPart =
  | {
      /** A text. */
      type: 'output_text';
      /** The text. */
      text: string;
      /** Sources that the provider's own tools have found. */
      annotations: never[];
    }
  | {
      /** A refusal. */
      type: 'refusal';
      /** The refusal's text. */
      refusal: string;
    };

/** Whether an item is complete. */
export type ResponseItemStatus = 'in_progress' | 'completed' | 'incomplete';

/** An item of a response's output. Tools that the provider runs add other kinds, which are passed through. */
export type ResponseOutputItem =
  | {
      /** A message. */
      type: 'message';
      /** Id of the item. */
      id: string;
      /** Always 'assistant'. */
      role: 'assistant';
      /** Whether the message is complete. */
      status: ResponseItemStatus;
      /** The parts of the message. */
      content: ResponseContentPart[];
    }
  | {
      /** A function call that the model asks for. */
      type: 'function_call';
      /** Id of the item. */
      id: string;
      /** Id to send back with the result of the function. */
      call_id: string;
      /** Name of the function. */
      name: string;
      /** Arguments as JSON text, as the model wrote it. */
      arguments: string;
      /** Whether the function call is complete. */
      status: ResponseItemStatus;
    }
  | {
      /** The model's reasoning, as far as the provider shows it. */
      type: 'reasoning';
      /** Id of the item. */
      id: string;
      /** What is shown of the reasoning. */
      summary: {
        /** Always 'summary_text'. */
        type: 'summary_text';
        /** The text. */
        text: string;
      }[];
    };

/** Token counts of a response. */
export interface ResponseUsage {
  /** Prompt tokens. */
  input_tokens: number;
  /** Parts of `input_tokens`. */
  input_tokens_details: {
    /** Read from the provider's cache. */
    cached_tokens: number;
    /** Written to the provider's cache. */
    cache_write_tokens: number;
  };
  /** Output tokens. */
  output_tokens: number;
  /** Parts of `output_tokens`. */
  output_tokens_details: {
    /** Spent on reasoning. */
    reasoning_tokens: number;
  };
  /** Input and output tokens together. */
  total_tokens: number;
}

/** An OpenAI response. Fields that an upstream adds are kept. */
export interface AIResponse {
  /** Id of the response. */
  id: string;
  /** Always 'response'. */
  object: 'response';
  /** Unix time in seconds. */
  created_at: number;
  /** The state of the response. */
  status?: 'completed' | 'failed' | 'in_progress' | 'cancelled' | 'queued' | 'incomplete';
  /** Why the response failed; null if it did not. */
  error: {
    /** Always 'server_error' in translated responses. */
    code: 'server_error';
    /** What happened. */
    message: string;
  } | null;
  /** Why the response is incomplete; null if it is not. */
  incomplete_details: ResponseIncompleteDetails | null;
  /** The request's instructions. */
  instructions: string | null;
  /** The model that answered, as the provider names it. */
  model: string;
  /** What the model has generated, in order. */
  output: ResponseOutputItem[];
  /** The text of the output's messages; absent on the wire. */
  output_text: string;
  /** Whether several functions may be called at once. */
  parallel_tool_calls: boolean;
  /** The request's temperature. */
  temperature: number | null;
  /** The request's top_p. */
  top_p: number | null;
  /** The request's tool_choice. */
  tool_choice: 'none' | 'auto' | 'required';
  /** The request's tools. */
  tools: never[];
  /** The request's metadata. */
  metadata: Record<string, string> | null;
  /** Token counts. */
  usage?: ResponseUsage;
}

/** One event of a streamed response: its `type`, its `sequence_number` and the fields of that type. */
export interface ResponseStreamEvent {
  /** The kind of the event, such as 'response.output_text.delta'. */
  type: string;
  /** Position of the event in the stream. */
  sequence_number: number;
  /** The fields of that type of event. */
  [field: string]: unknown;
}

/** A whole answer of any operation. */
export type AnswerData = ChatCompletion | EmbeddingResponse | AIResponse;
