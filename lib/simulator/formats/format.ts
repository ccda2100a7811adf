import type { IncomingHttpHeaders } from 'node:http';
import type { ErrorPlan, LimitReading, RefusalReason } from '../behavior';
import type { ChatAnswer } from '../server/chat-answer';
import type { EmbeddingsRequest } from '../server/embeddings';
import type { JsonObject } from '../server/request-body';

export type Headers = Record<string, string>;

/** What a request says outside of its body. */
export interface RequestHead {
  readonly headers: IncomingHttpHeaders;
  readonly query: URLSearchParams;
  /** The model in the path, of formats that have it there. */
  readonly model?: string;
  /** The method of Gemini's path, such as `generateContent`. */
  readonly method?: string;
}

/** An error that no format has written yet: an ErrorPlan, or a request that is invalid. */
export type ApiError = Pick<
  ErrorPlan,
  'status' | 'message' | 'type' | 'code' | 'retryAfterS' | 'exceeded'
> & {
  readonly param?: string | null;
  readonly reason?: RefusalReason | undefined;
};

/** An error as it is sent. */
export interface WrittenError {
  readonly status: number;
  readonly body: JsonObject;
}

/** An answer that can be sent as one JSON body. */
export interface WholeAnswer {
  whole(): JsonObject;
  /** The answer without content, for the malformed answer `empty_choices`. */
  empty(): JsonObject;
  /** The answer without a finish reason, for the malformed answer `no_finish`. */
  unfinished(): JsonObject;
}

/** A chat answer that can also be sent as server-sent events. */
export interface StreamedAnswer extends WholeAnswer {
  /** Events before the first token. */
  opening(): string;
  /** Events with tokens `from` (inclusive) to `to` (exclusive). */
  tokens(from: number, to: number): string;
  /** Events after the last token. */
  closing(): string;
  /** All events of a stream without content, for the malformed answer `empty_choices`. */
  emptyStream(): string;
}

/**
 * The format of one API. Limits, latency, faults and delivery are the same in all of them, so a format only reads
 * requests into those of OpenAI's API, and writes answers and errors.
 */
export interface Format {
  /** Headers of every answer. */
  headers(): Headers;
  /** Name of the header with the milliseconds that an answer took, if the API has one. */
  readonly processingHeader?: string;
  /** Headers with the state of the limits. */
  limits(reading: LimitReading | undefined): Headers;
  /** The API key of a request; '' if it has none. */
  keyOf(head: RequestHead): string;
  /** The chat body in OpenAI's format. Throws a BadRequest if it is invalid. */
  chatBody(body: JsonObject, head: RequestHead): JsonObject;
  /** Whether the request asks for a stream. */
  isStream(body: JsonObject, head: RequestHead): boolean;
  chat(answer: ChatAnswer): StreamedAnswer;
  /** Undefined if the API has no embeddings. */
  readonly embeddings?: {
    /** The embeddings body in OpenAI's format. */
    body(body: JsonObject, head: RequestHead): JsonObject;
    answer(request: EmbeddingsRequest, head: RequestHead): WholeAnswer;
  };
  /** Writes an error. `model` is the model that the call asked for, `headers` are those of the answer. */
  error(error: ApiError, about: { readonly model: string; readonly headers: Headers }): WrittenError;
  /** Whether the retry time is only in the error's body, and not in Retry-After. */
  readonly retryTimeInBody?: boolean;
  /** The event that carries an error in the middle of a stream. */
  errorEvent(body: JsonObject): string;
}

/** A server-sent event. */
export function event(data: unknown, name?: string): string {
  return `${name === undefined ? '' : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`;
}
