import type { ServerResponse } from 'node:http';
import { Outcome, type PipeOptions } from '../call/ai-call';
import type { ChatCompletion, EmbeddingResponse } from '../call/answer';
import { checkPipeOptions } from '../call/check-options';
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

  async pipe(res: ServerResponse, answer: Promise<Answer>, options: PipeOptions): Promise<void> {
    if (!this.#isStreamed) throw badRequest('stream', 'pipe() needs stream: true');
    checkPipeOptions(options);
    const { keepAliveMs, headerDelayMs, headers, signal } = options;
    const abort = (): void => this.cancel();
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await pipeChatStream(res, answer as Promise<ChatStream>, {
        ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
        ...(headerDelayMs === undefined ? {} : { headerDelayMs }),
        ...(headers === undefined ? {} : { headers: () => headers }),
        onClose: abort,
      });
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }
}
