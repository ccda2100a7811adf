import type { ChatAnswer } from '../server/chat-answer';
import { type EmbeddingsRequest, embeddingVectors } from '../server/embeddings';
import { bearerToken } from '../server/exchange';
import type { JsonObject } from '../server/request-body';
import {
  type ApiError,
  event,
  type Format,
  type RequestHead,
  type StreamedAnswer,
  type WholeAnswer,
} from './format';
import { geminiChatBody, geminiEmbeddingsBody } from './gemini-request';

/** The Gemini API. Source: https://ai.google.dev/api/generate-content */
export const geminiFormat: Format = {
  headers: () => ({}),
  // The API sends no headers with the state of the limits.
  limits: () => ({}),
  keyOf: ({ headers, query }) => {
    const key = headers['x-goog-api-key'] ?? query.get('key');
    return typeof key === 'string' ? key : bearerToken(headers);
  },
  chatBody: geminiChatBody,
  isStream: (_body, { method }) => method === 'streamGenerateContent',
  chat: (answer) => new GeminiAnswer(answer),
  embeddings: { body: geminiEmbeddingsBody, answer: embeddingsAnswer },
  error: (error, { model }) => {
    const { code, status, message, details } = written(error, model);
    return { status: code, body: { error: { code, message, status, ...(details && { details }) } } };
  },
  retryTimeInBody: true,
  errorEvent: (body) => event(body),
};

const STATUSES: Readonly<Record<number, string>> = {
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'ABORTED',
  429: 'RESOURCE_EXHAUSTED',
  501: 'UNIMPLEMENTED',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

/** An error of Google's APIs: https://google.aip.dev/193 */
interface GoogleError {
  readonly code: number;
  readonly message: string;
  readonly status: string;
  readonly details?: readonly JsonObject[] | undefined;
}

function written(error: ApiError, model: string): GoogleError {
  const { reason, message, exceeded } = error;
  const as = (text: string, code = error.status, details?: JsonObject[]): GoogleError => ({
    code,
    message: text,
    status: STATUSES[code] ?? (code < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL'),
    details: details ?? retryDetails(error),
  });
  switch (reason) {
    case 'rate_limited':
      return as(EXCEEDED, 429, [quotaFailure('Minute'), ...(retryDetails(error) ?? [])]);
    case 'quota_exhausted':
      return as(EXCEEDED, 429, [quotaFailure('Day')]);
    case 'unauthorized':
      return as('API key not valid. Please pass a valid API key.', 400, [BAD_KEY]);
    case 'model_missing':
      return as(
        `models/${model} is not found for API version v1beta, or is not supported for generateContent. Call ListModels to see the list of available models and their supported methods.`,
      );
    case 'context_window':
      return as(
        exceeded
          ? `The input token count (${exceeded.wanted}) exceeds the maximum number of tokens allowed (${exceeded.limit}).`
          : message,
      );
    case 'overloaded':
      return as('The model is overloaded. Please try again later.', 503);
    case 'server_error':
      return as(
        'An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting',
      );
    default:
      return as(message);
  }
}

const EXCEEDED = 'You exceeded your current quota, please check your plan and billing details.';
const BAD_KEY = {
  '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
  reason: 'API_KEY_INVALID',
  domain: 'googleapis.com',
  metadata: { service: 'generativelanguage.googleapis.com' },
};

function quotaFailure(window: 'Minute' | 'Day'): JsonObject {
  const quota = {
    quotaMetric: 'generativelanguage.googleapis.com/generate_content_paid_tier_requests',
    quotaId: `GenerateRequestsPer${window}PerProjectPerModel-PaidTier`,
  };
  return { '@type': 'type.googleapis.com/google.rpc.QuotaFailure', violations: [quota] };
}

/** Google sends the time of a retry in the body, in place of Retry-After. */
function retryDetails({ retryAfterS }: ApiError): JsonObject[] | undefined {
  if (retryAfterS === undefined) return undefined;
  return [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${retryAfterS}s` }];
}

class GeminiAnswer implements StreamedAnswer {
  readonly #answer: ChatAnswer;

  constructor(answer: ChatAnswer) {
    this.#answer = answer;
  }

  whole() {
    return this.#body(this.#parts(), this.#finishReason());
  }

  empty() {
    return { ...this.whole(), candidates: [] };
  }

  unfinished() {
    return this.#body(this.#parts());
  }

  opening() {
    return '';
  }

  /** A function call comes whole, at the end. */
  tokens(from: number, to: number) {
    if (this.#answer.content.kind === 'tool') return '';
    return event(this.#body([{ text: this.#answer.text(from, to) }], undefined, to));
  }

  closing() {
    const parts = this.#answer.content.kind === 'tool' ? this.#parts() : [{ text: '' }];
    return event(this.#body(parts, this.#finishReason()));
  }

  emptyStream() {
    return event(this.empty());
  }

  #body(parts: object[], finishReason?: string, tokens = this.#answer.outputTokens) {
    const { promptTokens, model, id } = this.#answer;
    const candidate = {
      content: { parts, role: 'model' },
      ...(finishReason !== undefined && { finishReason }),
      index: 0,
    };
    return {
      candidates: [candidate],
      usageMetadata: {
        promptTokenCount: promptTokens,
        candidatesTokenCount: tokens,
        totalTokenCount: promptTokens + tokens,
        promptTokensDetails: [{ modality: 'TEXT', tokenCount: promptTokens }],
      },
      modelVersion: model,
      responseId: id,
    };
  }

  #parts(): object[] {
    const { content, id } = this.#answer;
    if (content.kind !== 'tool') return [{ text: this.#answer.text() }];
    // A call that max_tokens cut off is left out: its arguments are never sent in part.
    if (this.#answer.isCutOff) return [];
    return [{ functionCall: { id: `call_${id}`, name: content.name, args: this.#answer.toolInput() } }];
  }

  #finishReason(): string {
    return this.#answer.isCutOff ? 'MAX_TOKENS' : 'STOP';
  }
}

function embeddingsAnswer(request: EmbeddingsRequest, { method }: RequestHead): WholeAnswer {
  const usageMetadata = { promptTokenCount: request.promptTokens };
  const whole = (): JsonObject => {
    const embeddings = embeddingVectors(request).map((values) => ({ values }));
    return method === 'embedContent'
      ? { embedding: embeddings[0], usageMetadata }
      : { embeddings, usageMetadata };
  };
  return { whole, empty: () => ({ embeddings: [], usageMetadata }), unfinished: whole };
}
