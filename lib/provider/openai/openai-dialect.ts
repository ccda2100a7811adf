import type { ChatCompletion, EmbeddingResponse } from '../../call/answer';
import type { ChatBody } from '../../call/body';
import { classifyAnswer } from '../../failure/classify-answer';
import type { Dialect, DialectCall, DialectEndpoint, HttpRequest, ResponseDialectCall } from '../dialect';
import { readRateLimits } from '../rate-limits/rate-limit-headers';
import { requestHeaders } from '../translation/http-request';
import { portableBody, strictnessOf } from './portable-body';

/**
 * The dialect of OpenAI and of every compatible provider. Requests carry the caller's body unchanged except for `model`
 * and, in streams, `stream_options.include_usage`. For APIs that refuse unknown fields, the fields that other providers
 * have added to the conversation are removed.
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
    // Replaces the error of JSON.parse, which quotes the body.
    throw new Error('The answer is not JSON.');
  }
}

/** Providers that continue a final assistant message only if it says `prefix: true`. */
const NEEDS_PREFIX_FLAG = new Set(['mistral', 'deepseek']);

/**
 * Adds the text so far as a final assistant message, which an endpoint with prefill continues. Returns undefined if the
 * two halves can't be joined reliably: tools, JSON, audio, several choices, or a conversation that already ends with an
 * assistant message.
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
