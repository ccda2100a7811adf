import type { ServerResponse } from 'node:http';
import { Outcome, type PipeOptions } from '../call/ai-call';
import type { ApiOperation } from '../call/body';
import { checkPipeOptions } from '../call/check-options';
import type { LinkedAbort } from '../call/linked-abort';
import type { AnswerData } from '../call/response';
import { badRequest } from '../errors';
import { RESPONSE_WIRE, type ResponseStream } from '../responses/response-stream';
import type { ChatStream } from '../stream/chat-stream';
import { CHAT_WIRE, pipeStream, type StreamWire } from '../stream/pipe-chat-stream';
import { isObject } from '../util/is-object';

export type Answer = AnswerData | ChatStream | ResponseStream;

/** The outcome of a call. The app may keep the call's promise for long, so the outcome must not reference the body. */
export class CallOutcome extends Outcome<Answer> {
  /** The format in which `pipe()` writes a stream; undefined if the answer is not streamed. */
  readonly #wire: StreamWire<ChatStream & ResponseStream> | undefined;
  #isPiped = false;
  readonly #onPipeFailure: (error: unknown) => void;

  /**
   * @param abort Ends the call early.
   * @param onPipeFailure Receives the error of a piped answer, which the app's code does not see.
   */
  constructor(
    operation: ApiOperation,
    body: unknown,
    readonly abort: LinkedAbort,
    onPipeFailure: (error: unknown) => void,
  ) {
    super();
    this.#onPipeFailure = onPipeFailure;
    const wire = operation === 'responses' ? RESPONSE_WIRE : CHAT_WIRE;
    this.#wire = operation !== 'embeddings' && isStreamed(body) ? wire : undefined;
  }

  cancel(): void {
    this.abort.abort();
  }

  pipe(res: ServerResponse, answer: Promise<Answer>, options: PipeOptions): Promise<void> {
    // Thrown synchronously: a rejection that nobody awaits would end the process.
    if (this.#isPiped)
      throw new TypeError('This call was piped already: call pipe() once, for one response.');
    this.#isPiped = true;
    return this.#pipe(res, answer, options);
  }

  async #pipe(res: ServerResponse, answer: Promise<Answer>, options: PipeOptions): Promise<void> {
    if (!this.#wire)
      throw badRequest(
        'stream',
        'pipe() needs stream: true, as in req.ai.chat({ ...body, stream: true }).pipe(res)',
      );
    checkPipeOptions(options);
    const { keepAliveMs, headerDelayMs, headers, signal } = options;
    const abort = (): void => this.cancel();
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await pipeStream(this.#wire, res, answer as Promise<ChatStream & ResponseStream>, {
        ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
        ...(headerDelayMs === undefined ? {} : { headerDelayMs }),
        ...(headers === undefined ? {} : { headers: () => headers }),
        onClose: abort,
        onFailure: this.#onPipeFailure,
      });
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }
}

function isStreamed(body: unknown): boolean {
  try {
    return isObject(body) && body.stream === true;
  } catch {
    // A getter of the app's body threw. It throws again when the body is checked, which then rejects the call.
    return false;
  }
}
