import type { AICall } from '../call/ai-call';
import type { ChatCompletion, EmbeddingResponse } from '../call/answer';
import type { AIResponse } from '../call/response';
import type { ResponseStream } from '../responses/response-stream';
import type { ChatStream } from '../stream/chat-stream';
import type { EventSink } from '../stream/sse/event-sink';

/** A request to the OpenAI-compatible API, over HTTP or from a `fetch` in this process. */
export interface ApiRequest {
  readonly method: string;
  /** The path below the mount point, such as `/chat/completions`. */
  readonly path: string;
  /** The path including the mount point, for messages. */
  readonly fullPath: string;
  /** Resolves to the parsed body. @throws ERR_AI_BAD_REQUEST if the body can't be read. */
  readBody(): Promise<unknown>;
}

/** Receives the API's answer. */
export interface ApiReply {
  /** Sets a response header. Must be called before the answer begins. */
  setHeader(name: string, value: string): void;
  sendJson(status: number, headers: Readonly<Record<string, string>>, body: unknown): void;
  /** Begins an answer of server-sent events. */
  openEvents(): EventSink;
}

/** The calls that the API makes, with the context of its request. */
export interface ApiCalls {
  chat(body: unknown): AICall<ChatCompletion | ChatStream>;
  embeddings(body: unknown): AICall<EmbeddingResponse>;
  responses(body: unknown): AICall<AIResponse | ResponseStream>;
}
