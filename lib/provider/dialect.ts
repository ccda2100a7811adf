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
   * What the call asks for and the provider can't do, where leaving it out does no harm: `seed`, for example. The balancer
   * warns of each once per minute and endpoint.
   */
  readonly dropped?: readonly string[];
}

/** What a dialect knows of the call. The body is the caller's and must not be modified. */
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

/** What a dialect knows of a Responses call. The body is the caller's and must not be modified. */
export interface ResponseDialectCall {
  /** The caller's body. */
  readonly body: ResponseBody;
  /** Whether the answer is streamed. */
  readonly stream: boolean;
}

/** What a dialect knows of the endpoint. */
export interface DialectEndpoint {
  /** Name of the endpoint. */
  readonly name: string;
  /** The provider, as the endpoint's `provider` names it. */
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
  /** For messages. */
  readonly name: string;
  /** What the provider offers. A call of any other operation never goes to its endpoints. */
  readonly operations: readonly Operation[];
  /**
   * Names the first thing in a call that the provider can't do and that must not be left out: `n`, for example. The call
   * is never sent to its endpoints. Undefined if there is none.
   */
  unsupported?(call: DialectCall, endpoint: Pick<DialectEndpoint, 'model'>): string | undefined;
  /** Builds the request of a call. */
  request(call: DialectCall, endpoint: DialectEndpoint): HttpRequest;
  /**
   * Builds the request of a Responses call, for endpoints with the capability `responses`. Its answer is passed through.
   * Absent where the provider has no Responses API: the call is then translated to chat completions.
   */
  responses?(call: ResponseDialectCall, endpoint: DialectEndpoint): HttpRequest;
  /**
   * The request that continues an answer from its text so far, for endpoints with `prefill: true`. Absent where the
   * wire has no prefill; undefined where this request can't be continued: several choices, tools, JSON.
   */
  continuation?(body: ChatBody, textSoFar: string, provider: string): ChatBody | undefined;
  /**
   * Reads the body of a 2xx into OpenAI's shape. Throws if it can't; the thrown message is not shown to callers. The
   * balancer then checks that the answer is whole: choices with messages, or vectors.
   */
  answer(http: HttpAnswer, call: DialectCall): ChatCompletion | EmbeddingResponse;
  /**
   * Translates the events of a stream into OpenAI's chunks. Absent where the provider sends OpenAI's chunks itself. Every
   * event is JSON and no error: the balancer has checked that.
   */
  chunks?(events: AsyncIterable<JsonEvent>, call: DialectCall): AsyncIterable<ChatCompletionChunk>;
  /** Classifies a response that is not a 2xx. `classifyAnswer` knows the errors of most providers. */
  failure(http: HttpAnswer): FailureDetail;
  /** Reads the rate limits from the headers of any response. `readRateLimits` knows those of most providers. */
  limits(headers: HttpHeaders): LimitReading | undefined;
}

/** What a dialect learns of a call. */
export function dialectCall({
  operation,
  body,
  stream,
}: Pick<Call, 'operation' | 'body' | 'stream'>): DialectCall {
  return operation === 'chat'
    ? { operation, body: body as ChatBody, stream }
    : { operation: 'embeddings', body: body as EmbeddingBody, stream: false };
}
