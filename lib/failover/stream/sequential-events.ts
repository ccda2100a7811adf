import type { ChatEvents, EventResult } from '../../stream/chat-event-reader';

const END: EventResult = { done: true, value: undefined };

/** Where events come from. */
export interface EventSource {
  /** The next event, if it has arrived. The end and failures are left to `next()`. */
  take(): EventResult | undefined;
  /** The next event, or the end. Not called again before it has settled, nor after the end or a failure. */
  next(): Promise<EventResult>;
  /** The reader has left. */
  leave(): Promise<void>;
}

/** Reads one event after another, even if the reader asks for several at once, as an async generator does. */
export class SequentialEvents implements ChatEvents {
  readonly #source: EventSource;
  /** The last read that has not settled, behind the earlier ones. */
  #pending: Promise<EventResult> | undefined;
  #pendingReads = 0;
  /** Whether the reader has left, or has received the end or the failure. */
  #isOver = false;

  constructor(source: EventSource) {
    this.#source = source;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  take(): EventResult | undefined {
    return this.#isOver || this.#pending ? undefined : this.#source.take();
  }

  next(): Promise<EventResult> {
    const result = this.#pending ? this.#pending.then(this.#next, this.#next) : this.#next();
    this.#pending = result;
    this.#pendingReads++;
    result.then(this.#onResult, this.#onFailure);
    return result;
  }

  async return(): Promise<EventResult> {
    this.#isOver = true;
    await this.#source.leave();
    return END;
  }

  readonly #onResult = ({ done }: EventResult): void => this.#onSettled(done === true);
  readonly #onFailure = (): void => this.#onSettled(true);

  #onSettled(isOver: boolean): void {
    this.#isOver ||= isOver;
    if (--this.#pendingReads === 0) this.#pending = undefined;
  }

  readonly #next = (): Promise<EventResult> => (this.#isOver ? Promise.resolve(END) : this.#source.next());
}
