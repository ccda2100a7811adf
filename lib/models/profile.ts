/** List price of a model. */
export interface Price {
  /** USD per million prompt tokens. */
  readonly input: number;
  /** USD per million output tokens. */
  readonly output: number;
  /** USD per million prompt tokens read from the provider's cache. Default: `input`. */
  readonly cachedInput?: number | undefined;
}

/** Typical latency of a model. The balancer starts from it and then learns the latency of each endpoint. */
export interface LatencyProfile {
  /** Milliseconds until the first token, for a short prompt. */
  readonly firstTokenMs: number;
  /** Milliseconds added to the time until the first token, per prompt token. */
  readonly msPerPromptToken: number;
  /** Milliseconds per output token. */
  readonly msPerOutputToken: number;
}

/**
 * What is known about a model before its first call. Set `models` in the configuration to correct or add profiles.
 * Defaults are those of the catalogue; a model that is not in the catalogue starts with neutral values.
 */
export interface ModelProfile {
  /**
   * Request types that the model is good at: 'chat', 'code', 'analysis', 'embedding'. Default for unknown models: none
   * ('embedding' for embedding models).
   */
  readonly strengths: readonly string[];
  /** List price. Undefined if unknown: a call with `maxCostPer1k` is never sent to a model without a price. */
  readonly price?: Price | undefined;
  /** Typical latency, from which learning starts. */
  readonly latency: LatencyProfile;
  /**
   * Maximum number of tokens of prompt and output together. Default for unknown models: 128,000 (embeddings: 8,191).
   */
  readonly contextWindow: number;
  /** Largest output in tokens. Default for unknown models: no limit but the context window. */
  readonly maxOutputTokens?: number | undefined;
  /**
   * A subset of 'chat', 'tools', 'vision', 'json_schema', 'streaming', 'embeddings', 'responses'. Calls that need
   * another capability are not sent to the model. Default for unknown models: all but 'responses', which endpoints at
   * OpenAI's and Azure's own servers get in addition; only 'embeddings' if the name contains 'embed'.
   */
  readonly capabilities: readonly string[];
  /** Quality on one scale for all models, 0 to 1; compared with `minQuality`. Default for unknown models: 0.75. */
  readonly quality: number;
  /** Whether the model thinks before it answers, so that the first token may take minutes. Default: false. */
  readonly reasoning?: boolean | undefined;
  /** Models that are tried in this order if no endpoint of this model can serve a call. Default: none. */
  readonly fallbacks?: readonly string[] | undefined;
}
