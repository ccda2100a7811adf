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

/** The version of the API whose format this is. */
const API_VERSION = '2023-06-01';

/**
 * The dialect of Anthropic's Messages API. docs/providers.md lists what it can express. Thinking comes as
 * `reasoning_content`, and as `thinking_blocks` that a caller sends back with the message.
 */
export const anthropicDialect: Dialect = {
  name: 'anthropic',
  operations: ['chat'],
  unsupported,
  request,
  // The text so far as the last message of the assistant's, which models before Claude 4.6 continue.
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
  // It needs a tool that must be called, before which no model can think.
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
