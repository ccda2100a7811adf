import { classifyAnswer } from '../failure/classify-answer';
import type { Dialect, DialectCall, DialectEndpoint, HttpRequest } from './dialect';
import { readOpenAIAnswer } from './openai-answer';
import { openaiContinuation } from './openai-continuation';
import { readRateLimits } from './rate-limits/rate-limit-headers';

/** OpenAI's wire format: the caller's body as it is, with the endpoint's model in it. */
export const openaiDialect: Dialect = {
  name: 'openai',
  operations: ['chat', 'embeddings'],
  request,
  continuation: openaiContinuation,
  answer: (http) => readOpenAIAnswer(http.body),
  failure: (http) => classifyAnswer(http),
  limits: (headers) => readRateLimits(headers),
};

function request(call: DialectCall, endpoint: DialectEndpoint): HttpRequest {
  return {
    path: call.operation === 'chat' ? '/chat/completions' : '/embeddings',
    headers: headersFor(call, endpoint),
    body: JSON.stringify(bodyFor(call, endpoint.model)),
  };
}

function bodyFor(call: DialectCall, model: string): object {
  if (call.operation === 'embeddings') return { ...call.body, model };
  if (!call.stream) return { ...call.body, model };
  // Without the usage event a stream's reservation could only be settled by an estimate.
  const streamOptions = { ...call.body.stream_options, include_usage: true };
  return { ...call.body, model, stream: true, stream_options: streamOptions };
}

/** Names in lower case, so that the app's `Authorization` replaces ours and does not stand beside it. */
function headersFor(call: DialectCall, endpoint: DialectEndpoint): Record<string, string> {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: call.stream ? 'text/event-stream' : 'application/json',
  };
  // A key read from a file often ends with a line break.
  const key = endpoint.apiKey?.trim();
  if (key) headers.authorization = `Bearer ${key}`;
  for (const [name, value] of Object.entries(endpoint.headers)) headers[name.toLowerCase()] = value;
  return headers;
}
