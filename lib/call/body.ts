/** The fields of an OpenAI chat message that the balancer reads. Every other field is passed through unchanged. */
export interface ChatMessage {
  /** 'system', 'developer', 'user', 'assistant' or 'tool'. */
  readonly role: string;
  /** A string, an array of content parts, or null. */
  readonly content?: unknown;
}

/**
 * The fields of an OpenAI chat request that the balancer reads. Every other field is passed through unchanged. A body
 * typed by the `openai` package is assignable.
 */
export interface ChatBody {
  /** At least one message. */
  readonly messages: readonly ChatMessage[];
  /** A model or an alias. 'auto' or none lets the router choose among all models. */
  readonly model?: string | undefined;
  /** True for a streamed answer. Default false. */
  readonly stream?: boolean | null | undefined;
  /** Options of a streamed answer. */
  readonly stream_options?:
    | {
        /** Whether the stream ends with a chunk that holds the usage. */
        readonly include_usage?: boolean | undefined;
      }
    | null
    | undefined;
  /** Limit of output tokens per choice. Bounds what is reserved from the quota. */
  readonly max_tokens?: number | null | undefined;
  /** Like `max_tokens`, and takes precedence over it. */
  readonly max_completion_tokens?: number | null | undefined;
  /** Number of choices. Default 1. */
  readonly n?: number | null | undefined;
  /** With 0, identical calls can be coalesced. */
  readonly temperature?: number | null | undefined;
  /** With tools, only endpoints with the capability `tools` can serve the call. */
  readonly tools?: readonly unknown[] | undefined;
  /** Which tool the model must call. */
  readonly tool_choice?: unknown;
  /** With `json_schema`, only endpoints with that capability can serve the call. */
  readonly response_format?: unknown;
}

/** An OpenAI embeddings request. Other fields are passed through unchanged. */
export interface EmbeddingBody {
  /** One text, several texts, or token ids. */
  readonly input: string | readonly string[] | readonly number[] | readonly (readonly number[])[];
  /** A model or an alias; 'auto' is refused, because vectors of two models can't be compared. */
  readonly model: string;
  /** Length of the vectors. Default: the model's. */
  readonly dimensions?: number | undefined;
  /** Format of the vectors. Default 'float'. */
  readonly encoding_format?: 'float' | 'base64' | undefined;
}

/** The kind of a call. */
export type Operation = 'chat' | 'embeddings';

/** The kinds of calls that the API offers. A Responses call is handled as a chat call. */
export type ApiOperation = Operation | 'responses';

/**
 * An item of a Responses request's input: a message, a function call, its output, and many more kinds, each with fields
 * of its own.
 */
export interface ResponseInputItem {
  /** 'message' if absent. */
  readonly type?: string | null | undefined;
  /** Role of a message: 'system', 'developer', 'user' or 'assistant'. */
  readonly role?: string | undefined;
  /** Content of a message: a string or an array of content parts. */
  readonly content?: unknown;
}

/**
 * The fields of an OpenAI Responses request that the balancer reads. Every other field is passed through to an endpoint
 * that has the Responses API. A body typed by the `openai` package is assignable.
 */
export interface ResponseBody {
  /** A text, or the items of the conversation so far. */
  readonly input?: string | readonly ResponseInputItem[] | undefined;
  /** A model or an alias. 'auto' or none lets the router choose among all models. */
  readonly model?: string | undefined;
  /** The system prompt. */
  readonly instructions?: string | null | undefined;
  /** True for a streamed answer. Default false. */
  readonly stream?: boolean | null | undefined;
  /** Limit of output tokens, reasoning included. Bounds what is reserved from the quota. */
  readonly max_output_tokens?: number | null | undefined;
  /** Functions, and tools that the provider runs. The latter need an endpoint with the capability `responses`. */
  readonly tools?: readonly unknown[] | undefined;
  /** Which tool the model must call. */
  readonly tool_choice?: unknown;
  /** The format of the text, such as a JSON schema. */
  readonly text?: unknown;
  /** Effort and summary of the reasoning. */
  readonly reasoning?: unknown;
  /**
   * Whether the provider keeps the response for `previous_response_id`. True needs an endpoint with the capability
   * `responses`. Default: the provider's; a translated response is not kept.
   */
  readonly store?: boolean | null | undefined;
  /** Continues a response that the provider keeps, at the endpoints of the same account. */
  readonly previous_response_id?: string | null | undefined;
}
