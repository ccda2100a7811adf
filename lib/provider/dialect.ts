import type { ChatCompletion, ChatCompletionChunk, EmbeddingResponse } from '../call/answer';
import type { ChatBody, EmbeddingBody, Operation } from '../call/body';
import type { FailureDetail } from '../failure/detail';
import type { LimitReading } from './rate-limits/rate-limit-headers';

export interface HttpRequest {
  /** Joined to the endpoint's base URL. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type HttpHeaders = Readonly<Record<string, string | string[] | undefined>>;

export interface HttpAnswer {
  readonly status: number;
  readonly headers: HttpHeaders;
  readonly body: string;
}

/** One event of a server-sent event stream. */
export interface SseEvent {
  readonly event?: string;
  readonly data: string;
}

/** What a dialect is told of the call. The body is the caller's and must not be changed in place. */
export type DialectCall =
  | { readonly operation: 'chat'; readonly body: ChatBody; readonly stream: boolean }
  | { readonly operation: 'embeddings'; readonly body: EmbeddingBody; readonly stream: false };

/** What a dialect is told of the endpoint. */
export interface DialectEndpoint {
  readonly name: string;
  readonly model: string;
  readonly baseURL: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The key, already asked for. */
  readonly apiKey: string | undefined;
}

/** How a provider speaks: the OpenAI-shaped request to its wire, and back. Pure: no sockets, no clocks. */
export interface Dialect {
  readonly name: string;
  readonly operations: readonly Operation[];
  request(call: DialectCall, endpoint: DialectEndpoint): HttpRequest;
  /**
   * The request that continues an answer from its text so far, for endpoints with `prefill: true`. Absent where the
   * wire has no prefill; undefined where this request can't be continued: several choices, tools, JSON.
   */
  continuation?(body: ChatBody, textSoFar: string, provider: string): ChatBody | undefined;
  /** Reads a 2xx answer. Throws where the body is not an answer; the thrown message is not shown to callers. */
  answer(http: HttpAnswer): ChatCompletion | EmbeddingResponse;
  /** Only for wires that are not OpenAI's: turns the provider's events into OpenAI's chunks. */
  readonly chunks?: (events: AsyncIterable<SseEvent>) => AsyncIterable<ChatCompletionChunk>;
  /** Tells the failure of any answer that is not 2xx. */
  failure(http: HttpAnswer): FailureDetail;
  /** Reads what the headers tell of the quota. */
  limits(headers: HttpHeaders): LimitReading | undefined;
}
