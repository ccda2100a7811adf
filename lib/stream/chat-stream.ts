import type { ChatCompletionChunk } from '../call/answer';
import { AiBalancerError } from '../errors';
import type { RouteReport } from '../route-report';
import type { ChatEvent } from './chat-event';
import type { ChatEvents, EventResult } from './chat-event-reader';

/**
 * A streamed chat answer, for one reader. Leaving `for await` early closes the connection to the provider. The
 * iteration ends without an error only if the answer is complete; otherwise it throws an AiBalancerError, such as
 * ERR_AI_STREAM_BROKEN.
 */
export interface ChatStream extends AsyncIterable<ChatCompletionChunk> {
  /** How the call has been served so far. Its usage, cost and times are final once the iteration has ended. */
  readonly route: RouteReport;
  /** Closes the connection to the provider and ends the iteration with ERR_AI_ABORTED. */
  abort(): void;
  /**
   * Adds a callback for when another endpoint starts the answer over. It is called before the first new chunk, and
   * should discard what was shown so far. Happens only with `stream.recovery` 'restart', or 'continue' if continuing
   * was not possible.
   */
  onRestart(callback: () => void): this;
}

/** How a stream that breaks off is recovered. */
export interface StreamOptions {
  /**
   * What happens when a stream breaks off after its first content: 'error' ends it with ERR_AI_STREAM_BROKEN, 'restart'
   * starts the answer over at another endpoint, 'continue' lets another endpoint continue the text. Default 'error'.
   */
  readonly recovery: 'error' | 'restart' | 'continue';
}

/**
 * Key of the method that iterates the events of a stream, with their bytes, instead of its chunks. All copies of this
 * package share it.
 */
export const CHAT_EVENTS = Symbol.for('express-ai-balancer.chat-events');

/**
 * Key of the method that registers a callback for a stream that ends because its reader takes nothing. All copies of
 * this package share it.
 */
export const ON_STALLED_END = Symbol.for('express-ai-balancer.on-stalled-end');

/** A stream whose events can be passed through as bytes. */
export interface EventStream extends ChatStream {
  [CHAT_EVENTS](): ChatEvents;
  [ON_STALLED_END]?(callback: () => void): void;
}

export interface ChatStreamParts {
  /** The events that were read before the stream was returned. */
  readonly first: readonly ChatEvent[];
  readonly events: AsyncIterable<ChatEvent, unknown>;
  route(): RouteReport;
  /** Called once, when reading begins. */
  onOpen?(): void;
  /** Closes the connection to the provider. Called at most once, and not after the stream has ended by itself. */
  abort(reason?: unknown): void;
}

type SourceParts = Omit<ChatStreamParts, 'first'>;

export class ChatEventStream implements EventStream {
  readonly #parts: SourceParts;
  readonly #restartCallbacks: (() => void)[] = [];
  readonly #stalledEndCallbacks: (() => void)[] = [];
  readonly #reader: EventIterator;
  #isRead = false;

  constructor({ first, ...parts }: ChatStreamParts) {
    this.#parts = parts;
    this.#reader = new EventIterator(parts, first);
  }

  get route(): RouteReport {
    return this.#parts.route();
  }

  abort(): void {
    const message = 'The stream was aborted by its reader.';
    this.#reader.abort(new AiBalancerError('ERR_AI_ABORTED', message, { status: 499 }));
  }

  onRestart(callback: () => void): this {
    this.#restartCallbacks.push(callback);
    return this;
  }

  /**
   * Called by the source of the events before an event that starts the answer over, while the reader waits for that
   * event. So the callbacks run after the reader has received all earlier events.
   */
  notifyRestart(): void {
    for (const callback of this.#restartCallbacks) callback();
  }

  [ON_STALLED_END](callback: () => void): void {
    this.#stalledEndCallbacks.push(callback);
  }

  /**
   * Called by the source when the stream has ended because its reader takes nothing, and so will not notice the end.
   */
  notifyStalledEnd(): void {
    for (const callback of this.#stalledEndCallbacks) callback();
  }

  [CHAT_EVENTS](): ChatEvents {
    if (this.#isRead)
      throw new TypeError('This stream is being read or has been read already: it has one reader.');
    this.#isRead = true;
    this.#parts.onOpen?.();
    return this.#reader;
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<ChatCompletionChunk, undefined> {
    return new ChunkIterator(this[CHAT_EVENTS]());
  }

  /** Throws an error that says what is wrong, and closes the connection that nobody will read. Not part of the type. */
  pipe(): never {
    this.abort();
    throw new TypeError(
      'This stream was awaited: call pipe() on the call itself, as in req.ai.chat({ ...body, stream: true }).pipe(res).',
    );
  }

  withRoute(): never {
    this.abort();
    throw new TypeError(
      'This stream was awaited: call withRoute() on the call itself, as in await req.ai.chat(body).withRoute().',
    );
  }

  /** Not part of the type: `(await req.ai.chat({ ...body, stream: true })).choices` would be undefined. */
  get choices(): never {
    this.abort();
    throw new TypeError(
      'This is a stream, not a whole answer: read it with for await, or leave out stream: true.',
    );
  }

  /** Throws an error, because `res.json(stream)` would send `{}`. Not part of the type. */
  toJSON(): never {
    throw new TypeError(
      'A stream has no JSON: read it with for await, or send it with req.ai.chat(body).pipe(res).',
    );
  }
}

const END = { done: true, value: undefined } as const;

type IteratorState =
  | { readonly kind: 'reading' }
  | { readonly kind: 'ended' }
  | { readonly kind: 'aborted'; readonly error: AiBalancerError };

class EventIterator implements ChatEvents {
  readonly #parts: SourceParts;
  readonly #events: AsyncIterator<ChatEvent, unknown> & Pick<ChatEvents, 'take'>;
  /** Undefined once all of them are read, so that a waiting stream does not hold the chunk that they arrived in. */
  #first: readonly ChatEvent[] | undefined;
  #next = 0;
  #state: IteratorState = { kind: 'reading' };
  /** Rejects the pending read, so that a silent upstream doesn't hold a reader that has left. */
  #interrupt: ((error: AiBalancerError) => void) | undefined;

  constructor(parts: SourceParts, first: readonly ChatEvent[]) {
    this.#parts = parts;
    this.#first = first;
    this.#events = parts.events[Symbol.asyncIterator]();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  take(): EventResult | undefined {
    if (this.#state.kind !== 'reading' || this.#interrupt) return undefined;
    const first = this.#takeFirst();
    if (first) return { done: false, value: first };
    try {
      const result = this.#events.take?.();
      if (result?.done) this.#end();
      return result;
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  next(): Promise<EventResult> {
    if (this.#state.kind === 'ended') return Promise.resolve(END);
    if (this.#state.kind === 'aborted') return Promise.reject(this.#state.error);
    const first = this.#takeFirst();
    if (first) return Promise.resolve({ done: false, value: first });
    return new Promise<EventResult>((resolve, reject) => {
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
          // The errors of the stream are passed on unchanged.
          // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
          reject(error);
        },
      );
    });
  }

  return(): Promise<EventResult> {
    if (this.#state.kind === 'reading') {
      this.#state = { kind: 'ended' };
      this.#close(new AiBalancerError('ERR_AI_ABORTED', 'The reader left the stream.', { status: 499 }));
    }
    return Promise.resolve(END);
  }

  abort(error: AiBalancerError): void {
    if (this.#state.kind !== 'reading') return;
    this.#state = { kind: 'aborted', error };
    this.#close(error);
    this.#interrupt?.(error);
  }

  #takeFirst(): ChatEvent | undefined {
    if (!this.#first) return undefined;
    const event = this.#first[this.#next++];
    if (this.#next >= this.#first.length) this.#first = undefined;
    return event;
  }

  #end(): void {
    if (this.#state.kind === 'reading') this.#state = { kind: 'ended' };
  }

  #close(reason: AiBalancerError): void {
    this.#parts.abort(reason);
    // Not awaited: a generator handles return() only after the pending read, whose result or error doesn't matter any
    // more.
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
