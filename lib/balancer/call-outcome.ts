import type { ServerResponse } from 'node:http';
import { Outcome } from '../call/ai-call';
import type { ChatCompletion, EmbeddingResponse } from '../call/answer';
import type { LinkedAbort } from '../call/linked-abort';
import { badRequest } from '../errors';
import type { ChatStream } from '../stream/chat-stream';
import { pipeChatStream } from '../stream/pipe-chat-stream';

export type Answer = ChatCompletion | EmbeddingResponse | ChatStream;

/** The outcome of a balancer's call. A caller may keep the promise long after the call: it must not hold the body. */
export class CallOutcome extends Outcome<Answer> {
  /** Ends the call early; undefined until it has begun. */
  abort: LinkedAbort | undefined;
  readonly #streamed: boolean;

  constructor(isStreamed: boolean) {
    super();
    this.#streamed = isStreamed;
  }

  pipe(res: ServerResponse, answer: Promise<Answer>): Promise<void> {
    if (!this.#streamed) return Promise.reject(badRequest('stream', 'pipe() needs stream: true'));
    return pipeChatStream(res, answer as Promise<ChatStream>, { onClose: () => this.abort?.abort() });
  }
}
