/**
 * Names of OpenTelemetry's semantic conventions for generative AI (repository open-telemetry/semantic-conventions-genai,
 * status Development), and this package's own attributes. They are all in one file because the conventions still
 * change.
 */
export const ATTRIBUTES = {
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
  requestModel: 'gen_ai.request.model',
  responseModel: 'gen_ai.response.model',
  stream: 'gen_ai.request.stream',
  inputTokens: 'gen_ai.usage.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  cachedTokens: 'gen_ai.usage.cache_read.input_tokens',
  reasoningTokens: 'gen_ai.usage.reasoning.output_tokens',
  responseId: 'gen_ai.response.id',
  finishReasons: 'gen_ai.response.finish_reasons',
  firstChunk: 'gen_ai.response.time_to_first_chunk',
  tokenType: 'gen_ai.token.type',
  serverAddress: 'server.address',
  serverPort: 'server.port',
  errorType: 'error.type',
  httpStatus: 'http.response.status_code',
  requestId: 'ai_balancer.request_id',
  endpoint: 'ai_balancer.endpoint',
  attempts: 'ai_balancer.attempts',
  waitMs: 'ai_balancer.wait_ms',
  costUsd: 'ai_balancer.cost_usd',
  wastedTokens: 'ai_balancer.wasted_tokens',
  hedge: 'ai_balancer.hedge',
  errorCode: 'ai_balancer.error_code',
} as const;

/** The attribute of each recorded field of a request's body. */
export const BODY_ATTRIBUTES: Readonly<Record<string, string>> = {
  max_tokens: 'gen_ai.request.max_tokens',
  max_completion_tokens: 'gen_ai.request.max_tokens',
  temperature: 'gen_ai.request.temperature',
  top_p: 'gen_ai.request.top_p',
  seed: 'gen_ai.request.seed',
  n: 'gen_ai.request.choice.count',
  frequency_penalty: 'gen_ai.request.frequency_penalty',
  presence_penalty: 'gen_ai.request.presence_penalty',
  dimensions: 'gen_ai.embeddings.dimension.count',
};

/** The conventions' names of providers for which this package uses another name. */
const PROVIDERS: Readonly<Record<string, string>> = {
  azure: 'azure.ai.openai',
  azureOpenAI: 'azure.ai.openai',
  gemini: 'gcp.gemini',
  mistral: 'mistral_ai',
  xai: 'x_ai',
};

export function genAiProvider(provider: string): string {
  return PROVIDERS[provider] ?? provider;
}

/** Histograms with the bucket boundaries that the conventions recommend. */
export const HISTOGRAMS = {
  'gen_ai.client.operation.duration': {
    unit: 's',
    description: 'Duration of calls.',
    boundaries: [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92],
  },
  'gen_ai.client.operation.time_to_first_chunk': {
    unit: 's',
    description: 'Time from a streamed call to its first content.',
    boundaries: [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92],
  },
  'gen_ai.client.token.usage': {
    unit: '{token}',
    description: 'Tokens of calls, by type: input or output.',
    boundaries: [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864],
  },
} as const;
