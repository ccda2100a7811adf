import type { LimitReading, LimitWindow } from '../behavior';
import type { ChatAnswer } from '../server/chat-answer';
import { bearerToken, newId } from '../server/exchange';
import { realTime } from '../server/real-time';
import { anthropicChatBody } from './anthropic-request';
import { type ApiError, event, type Format, type Headers, type StreamedAnswer } from './format';

/** Anthropic's Messages API. Source: https://platform.claude.com/docs/en/api/messages */
export const anthropicFormat: Format = {
  headers: () => ({ 'request-id': newId('req_') }),
  limits: limitHeaders,
  keyOf: ({ headers }) => {
    const key = headers['x-api-key'];
    return typeof key === 'string' ? key : bearerToken(headers);
  },
  chatBody: anthropicChatBody,
  isStream: (body) => body.stream === true,
  chat: (answer) => new AnthropicAnswer(answer),
  error: (error, { model, headers }) => {
    const { status, type, message } = written(error, model);
    const body = { type: 'error', error: { type, message }, request_id: headers['request-id'] ?? null };
    return { status, body };
  },
  errorEvent: (body) => event(body, 'error'),
};

/** The simulator has one limit of tokens, so there are no headers for input and output tokens alone. */
function limitHeaders(reading: LimitReading | undefined): Headers {
  const headers: Headers = {};
  const add = (unit: string, { limit, remaining, resetMs }: LimitWindow) => {
    const reset = new Date(Math.ceil((realTime.date() + resetMs) / 1000) * 1000);
    headers[`anthropic-ratelimit-${unit}-limit`] = String(limit);
    headers[`anthropic-ratelimit-${unit}-remaining`] = String(remaining);
    headers[`anthropic-ratelimit-${unit}-reset`] = reset.toISOString().replace('.000Z', 'Z');
  };
  if (reading?.requests) add('requests', reading.requests);
  if (reading?.tokens) add('tokens', reading.tokens);
  return headers;
}

const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

function typeOf(status: number): string {
  return TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error');
}

/** The types of OpenAI's errors, which mean nothing here. Any other is one that the fault `error` gave. */
const OPENAI_TYPES = ['invalid_request_error', 'server_error'];

function written(error: ApiError, model: string): { status: number; type: string; message: string } {
  const { status, reason, message, type, exceeded } = error;
  const as = (text: string, sent = status) => ({ status: sent, type: typeOf(sent), message: text });
  switch (reason) {
    case 'rate_limited':
      return as("This request would exceed your organization's rate limit. Please try again later.");
    case 'unauthorized':
      return as('invalid x-api-key');
    case 'quota_exhausted':
      return as(
        'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.',
        400,
      );
    case 'model_missing':
      return as(`model: ${model}`);
    case 'context_window':
      return as(
        exceeded ? `prompt is too long: ${exceeded.wanted} tokens > ${exceeded.limit} maximum` : message,
      );
    case 'overloaded':
      return as('Overloaded', 529);
    case 'server_error':
      return as('Internal server error');
    case 'too_large':
      return as(message);
    default:
      return { ...as(message), ...(!OPENAI_TYPES.includes(type) && { type }) };
  }
}

class AnthropicAnswer implements StreamedAnswer {
  readonly #answer: ChatAnswer;

  constructor(answer: ChatAnswer) {
    this.#answer = answer;
  }

  whole() {
    return this.#message(this.#content(), this.#stopReason(), this.#answer.outputTokens);
  }

  empty() {
    return { ...this.whole(), content: [] };
  }

  unfinished() {
    return { ...this.whole(), stop_reason: null };
  }

  opening() {
    const { content } = this.#answer;
    const block = content.kind === 'tool' ? this.#toolUse(content.name, {}) : { type: 'text', text: '' };
    return this.#start() + typed({ type: 'content_block_start', index: 0, content_block: block }) + PING;
  }

  tokens(from: number, to: number) {
    const text = this.#answer.text(from, to);
    const delta =
      this.#answer.content.kind === 'tool'
        ? { type: 'input_json_delta', partial_json: text }
        : { type: 'text_delta', text };
    return typed({ type: 'content_block_delta', index: 0, delta });
  }

  closing() {
    return typed({ type: 'content_block_stop', index: 0 }) + this.#end();
  }

  emptyStream() {
    return this.#start() + this.#end();
  }

  #start(): string {
    return typed({ type: 'message_start', message: this.#message([], null, 1) });
  }

  /** The counts of `message_delta` are cumulative: they replace those of `message_start`. */
  #end(): string {
    const delta = { stop_reason: this.#stopReason(), stop_sequence: null };
    const usage = this.#usage(this.#answer.outputTokens);
    return typed({ type: 'message_delta', delta, usage }) + typed({ type: 'message_stop' });
  }

  #message(content: object[], stopReason: string | null, outputTokens: number) {
    return {
      id: `msg_${this.#answer.id}`,
      type: 'message',
      role: 'assistant',
      model: this.#answer.model,
      content,
      stop_reason: stopReason,
      stop_sequence: null,
      usage: { ...this.#usage(outputTokens), service_tier: 'standard' },
    };
  }

  #content(): object[] {
    const { content } = this.#answer;
    if (content.kind === 'tool') return [this.#toolUse(content.name, this.#answer.toolInput())];
    return [{ type: 'text', text: this.#answer.text(), citations: null }];
  }

  #toolUse(name: string, input: unknown) {
    return { type: 'tool_use', id: `toolu_${this.#answer.id}`, name, input };
  }

  #stopReason(): string {
    if (this.#answer.isCutOff) return 'max_tokens';
    return this.#answer.content.kind === 'tool' ? 'tool_use' : 'end_turn';
  }

  #usage(outputTokens: number) {
    return {
      input_tokens: this.#answer.promptTokens,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      output_tokens: outputTokens,
    };
  }
}

/** An event whose name is its type, as with all events of this API. */
function typed(data: { readonly type: string; readonly [field: string]: unknown }): string {
  return event(data, data.type);
}

const PING = typed({ type: 'ping' });
