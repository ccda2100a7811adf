import type { ChatCompletionChunk } from '../call/answer';
import { AiBalancerError } from '../errors';
import type { RouteReport } from '../route-report';
import type { ChatEvent } from './chat-event';

/**
 * A streamed answer. It has one reader. Leaving `for await` early closes the upstream; the iteration ends without an
 * error only when the answer is whole.
 */
export interface ChatStream extends AsyncIterable<ChatCompletionChunk> {
  /** How the call has been served so far; its figures are final once the iteration has ended. */
  readonly route: RouteReport;
  /** Closes the upstream and ends the iteration with ERR_AI_ABORTED. */
  abort(): void;
  /**
   * Called when another endpoint starts the answer anew, before its first chunk: what was shown is to be cleared. Only
   * with `stream.recovery: 'restart'`, or 'continue' where that was refused.
   */
  onRestart(callback: () => void): this;
}

/** Iterates the events of a stream, bytes included, in place of its chunks. Across copies of this package. */
export const CHAT_EVENTS = Symbol.for('express-ai-balancer.chat-events');

/** A stream whose events can be passed through as bytes. */
export interface EventStream extends ChatStream {
  [CHAT_EVENTS](): AsyncIterableIterator<ChatEvent, undefined>;
}

export interface ChatStreamParts {
  /** What had been read when the stream was given out. */
  readonly first: readonly ChatEvent[];
  /** What follows. */
  readonly events: AsyncIterable<ChatEvent>;
  route(): RouteReport;
  /** Called once, when somebody begins to read. */
  onOpen?(): void;
  /** Closes the upstream. Called at most once, and not when the stream has ended by itself. */
  abort(reason?: unknown): void;
}

export class ChatEventStream implements EventStream {
  readonly #parts: ChatStreamParts;
  readonly #restartCallbacks: (() => void)[] = [];
  #reader: EventIterator | undefined;
  #aborted: AiBalancerError | undefined;

  constructor(parts: ChatStreamParts) {
    this.#parts = parts;
  }

  get route(): RouteReport {
    return this.#parts.route();
  }

  abort(): void {
    if (this.#aborted || this.#reader?.isEnded) return;
    this.#aborted = new AiBalancerError('ERR_AI_ABORTED', 'The stream was aborted by its reader.', {
      status: 499,
    });
    if (this.#reader) this.#reader.abort(this.#aborted);
    else this.#parts.abort(this.#aborted);
  }

  onRestart(callback: () => void): this {
    this.#restartCallbacks.push(callback);
    return this;
  }

  /**
   * For the source of the events: the next event it gives begins the answer anew. Called while the reader waits for
   * that event, so that the callbacks come after all that was read and before it.
   */
  notifyRestart(): void {
    for (const callback of this.#restartCallbacks) callback();
  }

  [CHAT_EVENTS](): AsyncIterableIterator<ChatEvent, undefined> {
    if (this.#reader)
      throw new TypeError('This stream is being read or was read already: it has one reader.');
    this.#reader = new EventIterator(this.#parts);
    this.#parts.onOpen?.();
    if (this.#aborted) this.#reader.abortBeforeRead(this.#aborted);
    return this.#reader;
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<ChatCompletionChunk, undefined> {
    return new ChunkIterator(this[CHAT_EVENTS]());
  }
}

type ReadResult = IteratorResult<ChatEvent, undefined>;
const END = { done: true, value: undefined } as const;

type ReaderState = { name: 'reading' } | { name: 'ended' } | { name: 'stopped'; error: AiBalancerError };

class EventIterator implements AsyncIterableIterator<ChatEvent, undefined> {
  readonly #parts: ChatStreamParts;
  readonly #events: AsyncIterator<ChatEvent>;
  #next = 0;
  #state: ReaderState = { name: 'reading' };
  /** Rejects the read that is pending: an upstream that does not answer must not hold a reader that has left. */
  #interrupt: ((error: AiBalancerError) => void) | undefined;

  constructor(parts: ChatStreamParts) {
    this.#parts = parts;
    this.#events = parts.events[Symbol.asyncIterator]();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  get isEnded(): boolean {
    return this.#state.name === 'ended';
  }

  next(): Promise<ReadResult> {
    if (this.#state.name === 'ended') return Promise.resolve(END);
    if (this.#state.name === 'stopped') return Promise.reject(this.#state.error);
    const first = this.#parts.first[this.#next];
    if (first) {
      this.#next++;
      return Promise.resolve({ done: false, value: first });
    }
    return new Promise<ReadResult>((resolve, reject) => {
      this.#interrupt = reject;
      this.#events.next().then(
        (result) => {
          this.#interrupt = undefined;
          if (result.done) this.#end();
          resolve(result.done ? END : result);
        },
        (error: unknown) => {
          this.#interrupt = undefined;
          this.#end();
          // The errors of the stream are passed on as they are.
          // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
          reject(error);
        },
      );
    });
  }

  /** The reader has left. */
  return(): Promise<ReadResult> {
    if (this.#state.name === 'reading') {
      this.#state = { name: 'ended' };
      this.#close(new AiBalancerError('ERR_AI_ABORTED', 'The reader left the stream.', { status: 499 }));
    }
    return Promise.resolve(END);
  }

  abort(error: AiBalancerError): void {
    if (this.#state.name !== 'reading') return;
    this.#state = { name: 'stopped', error };
    this.#close(error);
    this.#interrupt?.(error);
  }

  /** For a stream that was aborted before it was read. */
  abortBeforeRead(error: AiBalancerError): void {
    this.#state = { name: 'stopped', error };
  }

  #end(): void {
    if (this.#state.name === 'reading') this.#state = { name: 'ended' };
  }

  #close(reason: AiBalancerError): void {
    this.#parts.abort(reason);
    // A generator takes return() only after the read that is pending; what comes of it is of no interest.
    void this.#events.return?.().catch(() => undefined);
  }
}

class ChunkIterator implements AsyncIterableIterator<ChatCompletionChunk, undefined> {
  readonly #events: AsyncIterableIterator<ChatEvent, undefined>;

  constructor(events: AsyncIterableIterator<ChatEvent, undefined>) {
    this.#events = events;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<ChatCompletionChunk, undefined>> {
    for (;;) {
      const result = await this.#events.next();
      if (result.done) return END;
      if (!result.value.isHidden) return { done: false, value: result.value.chunk };
    }
  }

  async return(): Promise<IteratorResult<ChatCompletionChunk, undefined>> {
    await this.#events.return?.();
    return END;
  }
}
