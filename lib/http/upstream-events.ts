import type { ChatEvent } from '../stream/chat-event';
import type { ChatEvents, EventResult } from '../stream/chat-event-reader';
import type { UpstreamFailure } from './upstream-failure';

/**
 * The most events without content that are still read after `stallMs` is over: they may have been buffered while our own
 * event loop stalled.
 */
const MAX_LATE_EVENTS = 256;
const END: EventResult = { done: true, value: undefined };

/** The request whose events are read. */
export interface EventsRequest {
  readonly isAborted: boolean;
  /**
   * Waits for the step. Rejects after `stallMs`, or earlier at the deadline, `deadlineMs` from now, unless the timer is
   * paused.
   */
  awaitEvent(step: Promise<EventResult>, stallMs: number, deadlineMs: number): Promise<EventResult>;
  pauseTimer(): void;
  clip(event: ChatEvent): ChatEvent;
  stalled(): UpstreamFailure;
  toFailure(error: unknown): UpstreamFailure;
  /** The whole stream has been read: its connection serves the next call. */
  release(): void;
  /** Closes the connection. */
  end(): void;
}

export interface EventLimits {
  /** The longest time without content, in milliseconds. */
  readonly stallMs: number;
  /** In `performance.now()` time. */
  readonly deadlineAt: number;
}

type EventsState =
  | { readonly kind: 'open' }
  /** The next read throws. */
  | { readonly kind: 'failed'; readonly failure: UpstreamFailure }
  | { readonly kind: 'ended' };

/**
 * The events of a stream after its first content. The stall timeout runs only while the reader waits for an event of
 * the upstream. A class instead of a generator, so that events that have arrived together are taken without a promise
 * for each.
 */
export class UpstreamEvents implements ChatEvents {
  readonly #events: ChatEvents;
  readonly #request: EventsRequest;
  readonly #limits: EventLimits;
  /**
   * Milliseconds left until the stream counts as stalled. Only content and finish reasons reset this: a stream of empty
   * deltas or pings has stalled too.
   */
  #leftMs: number;
  #lateEvents = 0;
  #state: EventsState = { kind: 'open' };

  constructor(events: ChatEvents, request: EventsRequest, limits: EventLimits) {
    this.#events = events;
    this.#request = request;
    this.#limits = limits;
    this.#leftMs = limits.stallMs;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  take(): EventResult | undefined {
    if (this.#state.kind !== 'open' || this.#request.isAborted) return undefined;
    try {
      const result = this.#events.take?.();
      return result && this.#accept(result, 0);
    } catch (error) {
      this.#state = { kind: 'failed', failure: this.#fail(error) };
      return undefined;
    }
  }

  async next(): Promise<EventResult> {
    const ready = this.take();
    if (ready) return ready;
    const state = this.#state;
    if (state.kind === 'ended') return END;
    if (state.kind === 'failed') {
      this.#state = { kind: 'ended' };
      throw state.failure;
    }
    try {
      const since = performance.now();
      const deadlineMs = this.#limits.deadlineAt - since;
      const result = await this.#request.awaitEvent(this.#events.next(), this.#leftMs, deadlineMs);
      this.#request.pauseTimer();
      return this.#accept(result, performance.now() - since);
    } catch (error) {
      this.#state = { kind: 'ended' };
      throw this.#fail(error);
    }
  }

  /** Closes the connection, even while a read is pending. */
  return(): Promise<EventResult> {
    if (this.#state.kind === 'open') this.#request.end();
    this.#state = { kind: 'ended' };
    return Promise.resolve(END);
  }

  #accept(result: EventResult, waitedMs: number): EventResult {
    if (result.done) {
      this.#state = { kind: 'ended' };
      this.#request.release();
      return END;
    }
    const event = result.value;
    if (event.hasContent || event.hasFinishReason) {
      this.#leftMs = this.#limits.stallMs;
      this.#lateEvents = 0;
    } else {
      this.#leftMs -= waitedMs;
      if (this.#leftMs <= 0 && ++this.#lateEvents > MAX_LATE_EVENTS) throw this.#request.stalled();
    }
    const clipped = this.#request.clip(event);
    return clipped === event ? result : { done: false, value: clipped };
  }

  #fail(error: unknown): UpstreamFailure {
    const failure = this.#request.toFailure(error);
    this.#request.end();
    return failure;
  }
}
