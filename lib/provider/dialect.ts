import type { ChatCompletion, ChatCompletionChunk, EmbeddingResponse } from '../call/answer';
import type { ChatBody, EmbeddingBody, Operation, ResponseBody } from '../call/body';
import type { Call } from '../call/call';
import type { FailureDetail } from '../failure/detail';
import type { HttpAnswer, HttpHeaders } from '../failure/http-answer';
import type { JsonEvent, SseEvent } from '../stream/sse/sse-frame';
import type { LimitReading } from './rate-limits/rate-limit-headers';

export type { HttpAnswer, HttpHeaders, JsonEvent, SseEvent };

/** A request as a dialect builds it; the method is always POST. */
export interface HttpRequest {
  /** Appended to the endpoint's base URL. */
  readonly path: string;
  /** Request headers, including the key. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body, usually JSON. */
  readonly body: string;
  /**
   * Features that the call uses and the provider lacks, left out because the answer is as good without them: `seed`,
   * for example. The balancer warns about each at most once per minute and endpoint.
   */
  readonly dropped?: readonly string[] | undefined;
}

/** The part of a chat or embeddings call that a dialect gets. The body is the caller's and must not be modified. */
export type DialectCall =
  | {
      /** A chat call. */
      readonly operation: 'chat';
      /** The caller's body. */
      readonly body: ChatBody;
      /** Whether the answer is streamed. */
      readonly stream: boolean;
    }
  | {
      /** An embeddings call. */
      readonly operation: 'embeddings';
      /** The caller's body. */
      readonly body: EmbeddingBody;
      /** Embeddings are not streamed. */
      readonly stream: false;
    };

/** The part of a Responses call that a dialect gets. The body is the caller's and must not be modified. */
export interface ResponseDialectCall {
  /** The caller's body. */
  readonly body: ResponseBody;
  /** Whether the answer is streamed. */
  readonly stream: boolean;
}

/** The part of an endpoint that a dialect gets. */
export interface DialectEndpoint {
  /** Name of the endpoint. */
  readonly name: string;
  /** The endpoint's `provider`. */
  readonly provider: string;
  /** The model's name at this provider. */
  readonly model: string;
  /** The largest output of the model, in tokens; undefined if it is not known. */
  readonly maxOutputTokens: number | undefined;
  /** Azure's name of the deployment, if it is not that of the model. */
  readonly deployment?: string | undefined;
  /** Azure's `api-version`; undefined for the v1 API. */
  readonly apiVersion?: string | undefined;
  /** Base URL without a trailing slash. */
  readonly baseURL: string;
  /** The headers configured for this endpoint. */
  readonly headers: Readonly<Record<string, string>>;
  /** The key for this attempt; undefined if the endpoint has none. */
  readonly apiKey: string | undefined;
  /** Whether streams ask for `stream_options.include_usage`. */
  readonly streamUsage: boolean;
}

/**
 * Translates between OpenAI's requests and answers and a provider's own. Its functions do no I/O.
 * Build one for an OpenAI-like provider by spreading `openaiDialect` and replacing what differs.
 */
export interface Dialect {
  /** Name of the dialect. */
  readonly name: string;
  /** Operations that the provider offers. Calls of any other operation are never sent to its endpoints. */
  readonly operations: readonly Operation[];
  /**
   * Returns the first feature of a call that the provider lacks and that can't be left out, such as `n`; undefined if
   * there is none. Such a call is never sent to this endpoint.
   */
  unsupported?(call: DialectCall, endpoint: Pick<DialectEndpoint, 'model'>): string | undefined;
  /** Builds the request of a call. */
  request(call: DialectCall, endpoint: DialectEndpoint): HttpRequest;
  /**
   * Builds the request of a Responses call, for endpoints with the capability `responses`. The response is passed to
   * the caller unchanged. Absent where the provider has no Responses API: the call is then translated to chat
   * completions.
   */
  responses?(call: ResponseDialectCall, endpoint: DialectEndpoint): HttpRequest;
  /**
   * Builds the request that continues an answer from its text so far, for endpoints with `prefill: true`. Absent if the
   * provider's API has no prefill; returns undefined if this request can't be continued (several choices, tools, JSON).
   */
  continuation?(body: ChatBody, textSoFar: string, provider: string): ChatBody | undefined;
  /**
   * Converts the body of a 2xx response to OpenAI's format. Throws if it can't; callers never see the thrown message.
   * The balancer then checks that the answer is complete: choices with messages, or vectors.
   */
  answer(http: HttpAnswer, call: DialectCall): ChatCompletion | EmbeddingResponse;
  /**
   * Translates the events of a stream into OpenAI's chunks. Absent where the provider sends OpenAI's chunks itself. The
   * balancer has already checked that every event is JSON and not an error.
   */
  chunks?(events: AsyncIterable<JsonEvent>, call: DialectCall): AsyncIterable<ChatCompletionChunk>;
  /** Classifies a response that is not a 2xx. `classifyAnswer` knows the errors of most providers. */
  failure(http: HttpAnswer): FailureDetail;
  /** Reads the rate limits from the headers of any response. `readRateLimits` knows those of most providers. */
  limits(headers: HttpHeaders): LimitReading | undefined;
}

/** The part of a call that a dialect gets. */
export function dialectCall({
  operation,
  body,
  stream,
}: Pick<Call, 'operation' | 'body' | 'stream'>): DialectCall {
  return operation === 'chat'
    ? { operation, body: body as ChatBody, stream }
    : { operation: 'embeddings', body: body as EmbeddingBody, stream: false };
}
