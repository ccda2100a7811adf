import type { ServerResponse } from 'node:http';
import type { Outcome, Served } from './call/ai-call';
import type { ChatCompletion, EmbeddingResponse } from './call/answer';
import type { LinkedAbort } from './call/linked-abort';
import type { RouteReport } from './call/report';
import { badRequest } from './errors';
import type { ChatStream } from './stream/chat-stream';
import { pipeChatStream } from './stream/sse-writer';

export type Answer = ChatCompletion | EmbeddingResponse | ChatStream;

/** The caller's end of a call. It may outlive the call for as long as the caller keeps the promise: it holds no body. */
export class CallOutcome implements Outcome<Answer> {
  /** Ends the call early; undefined until it has begun. */
  abort: LinkedAbort | undefined;
  readonly #streamed: boolean;
  #resolve: ((data: Answer) => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;
  #route: RouteReport | undefined;

  constructor(streamed: boolean) {
    this.#streamed = streamed;
  }

  promised(resolve: (data: Answer) => void, reject: (error: unknown) => void): void {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get route(): RouteReport {
    return this.#route as RouteReport;
  }

  /** Settles the promise with what `end` returns, or throws. */
  settle(end: () => Served<Answer>): void {
    try {
      const { data, route } = end();
      this.#route = route;
      this.#resolve?.(data);
    } catch (error) {
      this.fail(error);
    }
  }

  fail(error: unknown): void {
    this.#reject?.(error);
  }

  pipe(res: ServerResponse, answer: Promise<Answer>): Promise<void> {
    if (!this.#streamed) return Promise.reject(badRequest('stream', 'pipe() needs stream: true'));
    return pipeChatStream(res, answer as Promise<ChatStream>, { onClose: () => this.abort?.abort() });
  }
}
