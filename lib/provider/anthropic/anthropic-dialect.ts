import { classifyAnswer } from '../../failure/classify-answer';
import type { Dialect, DialectCall, DialectEndpoint, HttpRequest } from '../dialect';
import { openaiDialect } from '../openai/openai-dialect';
import { readRateLimits } from '../rate-limits/rate-limit-headers';
import { CHAT_FEATURES, refusedFeature } from '../translation/features';
import { requestHeaders } from '../translation/http-request';
import { toChatCompletion } from './answer';
import { unsupportedMedia } from './content';
import { modelTraits } from './model-traits';
import { toMessagesRequest } from './request';
import { AnthropicStream } from './stream';
import { ANTHROPIC_SUPPORT } from './support';

/** Value of the `anthropic-version` header: the API version whose format this dialect uses. */
const API_VERSION = '2023-06-01';

/**
 * The dialect of Anthropic's Messages API. docs/providers.md lists the features that it supports. Thinking is returned
 * as `reasoning_content`, and as `thinking_blocks` that a caller sends back with the message.
 */
export const anthropicDialect: Dialect = {
  name: 'anthropic',
  operations: ['chat'],
  unsupported,
  request,
  // Sends the text so far as a final assistant message, which models before Claude 4.6 continue. The API refuses such a
  // message if it ends with white space.
  continuation: (body, textSoFar, provider) =>
    /\s$/.test(textSoFar) ? undefined : openaiDialect.continuation?.(body, textSoFar, provider),
  answer: ({ body }) => toChatCompletion(JSON.parse(body)),
  chunks: (events) => new AnthropicStream().chunks(events),
  failure: (http) => classifyAnswer(http),
  limits: (headers) => readRateLimits(headers),
};

function unsupported(call: DialectCall, { model }: { readonly model: string }): string | undefined {
  if (call.operation !== 'chat') return call.operation;
  const format = CHAT_FEATURES['response_format: json_object']({ ...call.body });
  // A model that always thinks can't do json_object, which needs a forced tool call: models can't think before one.
  if (format !== undefined && modelTraits(model).alwaysThinks) return 'response_format (json_object)';
  return refusedFeature(call, ANTHROPIC_SUPPORT) ?? unsupportedMedia(call.body.messages);
}

function request(call: DialectCall, endpoint: DialectEndpoint): HttpRequest {
  if (call.operation !== 'chat') throw new Error('Anthropic has no embeddings.');
  const { body, dropped } = toMessagesRequest(call, endpoint);
  return {
    path: '/messages',
    headers: requestHeaders(call, endpoint, (key) => ({
      'x-api-key': key,
      'anthropic-version': API_VERSION,
    })),
    body: JSON.stringify(body),
    dropped,
  };
}
