/** The parts of an OpenAI chat message that this package reads; every other field is passed through. */
export interface ChatMessage {
  readonly role: string;
  readonly content?: unknown;
}

/**
 * The parts of an OpenAI chat request that this package reads. Unknown fields are passed through as they are,
 * and a body typed by the `openai` package fits.
 */
export interface ChatBody {
  readonly messages: readonly ChatMessage[];
  /** A model, an alias, or 'auto' (the same as none): the router chooses among all. */
  readonly model?: string;
  readonly stream?: boolean | null;
  readonly stream_options?: { readonly include_usage?: boolean } | null;
  readonly max_tokens?: number | null;
  readonly max_completion_tokens?: number | null;
  readonly n?: number | null;
  readonly temperature?: number | null;
  readonly tools?: readonly unknown[];
  readonly tool_choice?: unknown;
  readonly response_format?: unknown;
}

/** An OpenAI embeddings request. */
export interface EmbeddingBody {
  readonly input: string | readonly string[] | readonly number[] | readonly (readonly number[])[];
  readonly model: string;
  readonly dimensions?: number;
  readonly encoding_format?: 'float' | 'base64';
}

export type Operation = 'chat' | 'embeddings';
