import type { ChatCompletion, EmbeddingResponse } from '../../call/answer';
import type { ChatBody } from '../../call/body';
import { classifyAnswer } from '../../failure/classify-answer';
import type { Dialect, DialectCall, DialectEndpoint, HttpRequest, ResponseDialectCall } from '../dialect';
import { readRateLimits } from '../rate-limits/rate-limit-headers';
import { requestHeaders } from '../translation/http-request';
import { portableBody, strictnessOf } from './portable-body';

/**
 * The dialect of OpenAI and of every provider that is compatible with it. Requests carry the caller's body unchanged
 * but for `model`, and for `stream_options.include_usage`, which is set for streams. For APIs that refuse unknown fields,
 * those that other providers have added to the conversation are left out.
 */
export const openaiDialect: Dialect = {
  name: 'openai',
  operations: ['chat', 'embeddings'],
  request,
  responses,
  continuation,
  answer,
  failure: (http) => classifyAnswer(http),
  limits: (headers) => readRateLimits(headers),
};

function request(call: DialectCall, endpoint: DialectEndpoint): HttpRequest {
  return {
    path: call.operation === 'chat' ? '/chat/completions' : '/embeddings',
    headers: headersFor(call, endpoint),
    body: JSON.stringify(bodyFor(call, endpoint)),
  };
}

function responses(call: ResponseDialectCall, endpoint: DialectEndpoint): HttpRequest {
  const { model } = endpoint;
  return {
    path: '/responses',
    headers: headersFor(call, endpoint),
    body: JSON.stringify({ ...call.body, model }),
  };
}

function headersFor(call: Pick<DialectCall, 'stream'>, endpoint: DialectEndpoint): Record<string, string> {
  return requestHeaders(call, endpoint, (key) => ({ authorization: key === '' ? '' : `Bearer ${key}` }));
}

function bodyFor(call: DialectCall, { model, streamUsage, baseURL }: DialectEndpoint): object {
  if (call.operation === 'embeddings') return { ...call.body, model };
  const strictness = strictnessOf(baseURL);
  const chat = strictness ? portableBody(call.body, strictness) : call.body;
  if (!call.stream) return { ...chat, model };
  if (!streamUsage) {
    const { stream_options: _unsupported, ...body } = chat;
    return { ...body, model, stream: true };
  }
  // Without the usage event a stream's reservation could only be settled with an estimate.
  const streamOptions = { ...chat.stream_options, include_usage: true };
  return { ...chat, model, stream: true, stream_options: streamOptions };
}

function answer({ body }: { readonly body: string }): ChatCompletion | EmbeddingResponse {
  try {
    return JSON.parse(body) as ChatCompletion | EmbeddingResponse;
  } catch {
    // JSON.parse quotes the body in its message.
    throw new Error('The answer is not JSON.');
  }
}

/** Providers that continue a last assistant message only where it says `prefix: true`. */
const NEEDS_PREFIX_FLAG = new Set(['mistral', 'deepseek']);

/**
 * The text so far as the last assistant message, which an endpoint with prefill continues. Undefined where the two
 * halves could not be joined reliably: tools, JSON, audio, several choices, or an answer that was itself prefilled.
 */
function continuation(body: ChatBody, textSoFar: string, provider: string): ChatBody | undefined {
  const { messages, n, tools, response_format, functions, modalities } = body as ChatBody &
    Record<string, unknown>;
  if ((n ?? 1) !== 1 || isUsed(tools) || isUsed(functions) || isUsed(modalities)) return undefined;
  if (response_format && (response_format as { type?: unknown }).type !== 'text') return undefined;
  if (messages.at(-1)?.role === 'assistant') return undefined;
  const prefix = NEEDS_PREFIX_FLAG.has(provider) ? { prefix: true } : {};
  return { ...body, messages: [...messages, { role: 'assistant', content: textSoFar, ...prefix }] };
}

function isUsed(list: unknown): boolean {
  return Array.isArray(list) && list.length > 0 && !(list.length === 1 && list[0] === 'text');
}
