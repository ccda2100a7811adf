import type { ServerResponse } from 'node:http';
import { Outcome } from '../call/ai-call';
import type { ChatCompletion, EmbeddingResponse } from '../call/answer';
import type { LinkedAbort } from '../call/linked-abort';
import { badRequest } from '../errors';
import type { ChatStream } from '../stream/chat-stream';
import { pipeChatStream } from '../stream/pipe-chat-stream';

export type Answer = ChatCompletion | EmbeddingResponse | ChatStream;

/** The outcome of a balancer's call. The app may keep its promise long after the call, so this must not hold the body. */
export class CallOutcome extends Outcome<Answer> {
  readonly #isStreamed: boolean;

  /** @param abort Ends the call early. */
  constructor(
    isStreamed: boolean,
    readonly abort: LinkedAbort,
  ) {
    super();
    this.#isStreamed = isStreamed;
  }

  cancel(): void {
    this.abort.abort();
  }

  pipe(res: ServerResponse, answer: Promise<Answer>): Promise<void> {
    if (!this.#isStreamed) return Promise.reject(badRequest('stream', 'pipe() needs stream: true'));
    return pipeChatStream(res, answer as Promise<ChatStream>, { onClose: () => this.abort.abort() });
  }
}
