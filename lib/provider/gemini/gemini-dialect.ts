import type { ChatBody } from '../../call/body';
import { classifyAnswer } from '../../failure/classify-answer';
import type { Dialect, DialectCall, DialectEndpoint, HttpRequest } from '../dialect';
import { readRateLimits } from '../rate-limits/rate-limit-headers';
import { CHAT_FEATURES, refusedFeature } from '../translation/features';
import { requestHeaders } from '../translation/http-request';
import { toChatCompletion } from './answer';
import { toEmbeddingResponse, toEmbedRequests } from './embeddings';
import { modelTraits } from './model-traits';
import { toGenerateContent } from './request';
import { GeminiStream } from './stream';
import { GEMINI_SUPPORT } from './support';

/**
 * The dialect of the Gemini API: generateContent, and batchEmbedContents for embeddings. docs/providers.md lists the
 * features that it supports. A thought signature is returned as `extra_content.google.thought_signature` of a tool
 * call, as in Google's OpenAI-compatible API; a caller sends it back with the call.
 */
export const geminiDialect: Dialect = {
  name: 'gemini',
  operations: ['chat', 'embeddings'],
  unsupported,
  request,
  answer: ({ body }, call) =>
    call.operation === 'chat'
      ? toChatCompletion(JSON.parse(body))
      : toEmbeddingResponse(JSON.parse(body), call.body, call.body.model),
  chunks: (events, { body }) => new GeminiStream((body as ChatBody).n ?? 1).chunks(events),
  failure: (http) => classifyAnswer(http),
  limits: (headers) => readRateLimits(headers),
};

function unsupported(call: DialectCall, { model }: Pick<DialectEndpoint, 'model'>): string | undefined {
  const refused = refusedFeature(call, GEMINI_SUPPORT);
  if (refused !== undefined || call.operation !== 'chat') return refused;
  const body = { ...call.body };
  const wantsJson =
    CHAT_FEATURES['response_format: json_schema'](body) ??
    CHAT_FEATURES['response_format: json_object'](body);
  if (wantsJson === undefined || CHAT_FEATURES.tools(body) === undefined) return undefined;
  return modelTraits(model).jsonWithTools ? undefined : 'response_format (beside tools)';
}

function request(call: DialectCall, endpoint: DialectEndpoint): HttpRequest {
  const resource = resourceOf(endpoint.model);
  const headers = requestHeaders(call, endpoint, (key) => ({ 'x-goog-api-key': key }));
  if (call.operation === 'embeddings') {
    const requests = toEmbedRequests(call.body, resource);
    return { path: `/${resource}:batchEmbedContents`, headers, body: JSON.stringify({ requests }) };
  }
  const { body, dropped } = toGenerateContent(call, endpoint);
  const method = call.stream ? 'streamGenerateContent?alt=sse' : 'generateContent';
  return { path: `/${resource}:${method}`, headers, body: JSON.stringify(body), dropped };
}

/** Resource name of a model: 'models/gemini-2.5-pro' for 'gemini-2.5-pro'. 'tunedModels/x' is one already. */
function resourceOf(model: string): string {
  const name = model.includes('/') ? model : `models/${model}`;
  return name.split('/').map(encodeURIComponent).join('/');
}
