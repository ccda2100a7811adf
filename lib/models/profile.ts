export interface Price {
  /** USD per million prompt tokens. */
  readonly input: number;
  /** USD per million output tokens. */
  readonly output: number;
  /** USD per million prompt tokens read from the provider's cache. Default: `input`. */
  readonly cachedInput?: number;
}

export interface LatencyProfile {
  /** Typical milliseconds to the first token, without the prompt's share. */
  readonly firstTokenMs: number;
  readonly msPerPromptToken: number;
  readonly msPerOutputToken: number;
}

/** What is known of a model before the first call. */
export interface ModelProfile {
  readonly strengths: readonly string[];
  /** Absent where no list price is known. */
  readonly price?: Price;
  readonly latency: LatencyProfile;
  /** Tokens: prompt and output together. */
  readonly contextWindow: number;
  /** Of 'tools', 'vision', 'json_schema', 'streaming', 'embeddings', 'chat'. */
  readonly capabilities: readonly string[];
  /** 0 to 1. */
  readonly quality: number;
  /** Thinks before it answers: the first token may take minutes. */
  readonly reasoning?: boolean;
  /** Models to try when no endpoint of this one can serve. */
  readonly fallbacks?: readonly string[];
}
