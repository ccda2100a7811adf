import type { Usage } from '../../call/answer';
import type { Call } from '../../call/call';
import { LinkedAbort } from '../../call/linked-abort';
import type { Endpoint } from '../../endpoint/endpoint';
import { AiBalancerError } from '../../errors';
import { UpstreamFailure } from '../../http/upstream-failure';
import type { AttemptReport } from '../../route-report';
import type { ChunkIdentity } from '../../stream/chat-event';
import type { ChatEvents, EventResult } from '../../stream/chat-event-reader';
import { continuedEvents } from '../../stream/continued-events';
import { addUsage } from '../../stream/usage';
import type { UsageMeter } from '../../stream/usage-meter';
import { abortedError, deadlineError, streamBrokenError } from '../call-errors';
import type { StreamResult } from '../call-result';
import { type AnswerPart, eventsOf, metered, servedStream } from './answer-part';
import { ReaderTimeout } from './reader-timeout';
import { type EventSource, SequentialEvents } from './sequential-events';
import type { StreamRecovery } from './stream-recovery';

export interface StreamSessionParts {
  newMeter(call: Call): UsageMeter;
  readonly recovery: StreamRecovery;
  /** Called before the event with which this endpoint starts the answer over. */
  onRestart(endpoint: Endpoint): void;
  /** Called when the endpoint has broken off the stream. */
  onBreak(endpoint: Endpoint, attempt: AttemptReport): void;
  /** Called before `onEnd` when the stream ends because its reader takes nothing. */
  onReaderStall(): void;
  /** Called exactly once, when the stream has ended. */
  onEnd(error: Error | undefined): void;
}

type SessionState =
  /** The slot of the current part is open. */
  | { readonly kind: 'reading' }
  /** The slot is settled, and recovery looks for another endpoint. */
  | { readonly kind: 'recovering'; readonly abort: LinkedAbort }
  | { readonly kind: 'ended'; readonly error: Error | undefined };

/**
 * Runs a stream from its first content to its end and settles its slots. The stream ends complete or with an error, so
 * that a truncated answer never looks complete. If an endpoint breaks it off, recovery may find another.
 */
export class StreamSession implements EventSource {
  readonly #call: Call;
  readonly #parts: StreamSessionParts;
  readonly #readerTimeout: ReaderTimeout;
  #part: AnswerPart;
  /** The events of the part that are still to be read. */
  #events: ChatEvents;
  #state: SessionState = { kind: 'reading' };

  constructor(call: Call, result: StreamResult, parts: StreamSessionParts) {
    this.#call = call;
    this.#parts = parts;
    const meter = parts.newMeter(call);
    for (const event of result.sent.first) meter.add(event);
    this.#part = this.#partOf(result, meter);
    this.#events = result.sent.rest;
    const { readerStallMs } = result.slot.endpoint.settings.timeouts;
    this.#readerTimeout = new ReaderTimeout(readerStallMs, (error) => {
      if (this.#state.kind !== 'ended') this.#parts.onReaderStall();
      this.abort(error);
    });
    // Without this listener, a stream whose consumer is not reading when the caller leaves would keep its slot.
    call.signal.addEventListener('abort', this, { once: true });
    if (call.signal.aborted) this.abort();
  }

  /** Called when the call's signal aborts. */
  handleEvent(): void {
    this.abort();
  }

  /** Called when the consumer starts to read. */
  readingStarted(): void {
    if (this.#state.kind !== 'ended') this.#readerTimeout.start();
  }

  /** The events that follow the first ones, for one reader. */
  events(): ChatEvents {
    return new SequentialEvents(this);
  }

  take(): EventResult | undefined {
    if (this.#state.kind !== 'reading') return undefined;
    const result = this.#events.take?.();
    return result === undefined || result.done ? undefined : this.#accept(result);
  }

  async next(): Promise<EventResult> {
    try {
      for (;;) {
        let failure: UpstreamFailure;
        try {
          this.#readerTimeout.pause();
          return this.#accept(await this.#events.next());
        } catch (error) {
          failure = this.#settleFailure(error);
        }
        await this.#recover(failure);
      }
    } catch (error) {
      this.abort();
      throw error;
    }
  }

  #accept(result: EventResult): EventResult {
    if (result.done) {
      if (this.#state.kind === 'ended') throw this.#abortError();
      this.#finish();
      return result;
    }
    this.#part.shown.add(result.value);
    this.#readerTimeout.start();
    return result;
  }

  async leave(): Promise<void> {
    this.abort();
    await this.#events.return?.();
  }

  /** Stops the upstream and settles the slot with the output so far. */
  abort(reason?: Error): void {
    if (this.#state.kind === 'ended') return;
    const { meter, result } = this.#part;
    // Has no effect if the slot is already settled.
    result.slot.abort(true, meter.usage().completion_tokens);
    this.#end(reason ?? abortedError(this.#call.signal));
    result.close();
  }

  #finish(): void {
    const { result, meter } = this.#part;
    result.slot.succeed(meter.usage());
    this.#end(undefined);
  }

  /** Settles the slot of a part that failed. Throws if the reader or the caller ended it, not the upstream. */
  #settleFailure(error: unknown): UpstreamFailure {
    if (this.#state.kind === 'ended' || this.#call.signal.aborted) {
      this.abort();
      throw AiBalancerError.isInstance(error) ? error : this.#abortError();
    }
    // Thrown by a restart listener of the app: it ends the stream.
    if (!(error instanceof UpstreamFailure)) throw error;
    const { result, meter } = this.#part;
    const output = meter.usage().completion_tokens;
    if (error instanceof UnannouncedRestart) result.slot.abort(true, output);
    else result.slot.fail(error, output);
    const attempt = result.state.recorder.recordStreamBreak(error.detail);
    if (attempt) this.#parts.onBreak(result.slot.endpoint, attempt);
    return error;
  }

  /** Resolves when another endpoint has taken over. */
  async #recover(failure: UpstreamFailure): Promise<void> {
    const { result, shown } = this.#part;
    if (failure.detail.class === 'timeout' && performance.now() >= this.#call.deadlineAt) {
      throw this.#end(deadlineError(result.state.recorder, shown.text));
    }
    const { recovery } = this.#parts;
    if (recovery.isOff || failure instanceof UnannouncedRestart) throw this.#brokenError(failure);
    const signal = new LinkedAbort(this.#call.signal);
    this.#state = { kind: 'recovering', abort: signal };
    let next: StreamResult;
    try {
      const outputTokens = this.#usage().completion_tokens;
      next = await recovery.recover({ result, failure, shown, outputTokens, signal });
    } catch {
      if (this.#hasEnded()) throw this.#abortError();
      throw this.#brokenError(failure);
    } finally {
      signal.release();
    }
    if (this.#hasEnded()) {
      next.slot.abort(true);
      next.sent.abort();
      throw this.#abortError();
    }
    this.#state = { kind: 'reading' };
    if (next.continued) this.#continueWith(next);
    else this.#restartWith(next);
  }

  #restartWith(result: StreamResult): void {
    const used = this.#usage();
    const { endpoint } = this.#part.result.slot;
    const meter = this.#parts.newMeter(result.state.call);
    this.#part = this.#partOf(result, meter);
    this.#events = eventsOf(result);
    this.#notifyRestart(used, endpoint);
  }

  #continueWith(result: StreamResult): void {
    const { shown, prior, result: broken } = this.#part;
    const usage = this.#usage();
    // There is one, because recovery is on.
    const identity = (prior ?? broken).identity as ChunkIdentity;
    const meter = this.#parts.newMeter(result.state.call);
    this.#events = continuedEvents(metered(result, meter), {
      text: shown.text,
      identity,
      priorUsage: usage,
      onRestart: () => {
        if (!this.#parts.recovery.mayRestart) throw new UnannouncedRestart();
        this.#part = { ...this.#part, shown: this.#parts.newMeter(this.#call), prior: undefined };
        this.#notifyRestart(usage, broken.slot.endpoint);
      },
    });
    this.#part = { ...this.#partOf(result, meter), shown, prior: { usage, identity } };
  }

  #partOf(result: StreamResult, meter: UsageMeter): AnswerPart {
    const mayContinue = !this.#parts.recovery.isOff;
    return { result: servedStream(result, mayContinue), meter, shown: meter, prior: undefined };
  }

  /** Records what the reader has received from this endpoint as wasted, and notifies the reader of the restart. */
  #notifyRestart({ prompt_tokens, completion_tokens }: Usage, endpoint: Endpoint): void {
    const { state, slot } = this.#part.result;
    state.recorder.addWaste(endpoint, prompt_tokens, completion_tokens);
    this.#parts.onRestart(slot.endpoint);
  }

  /** The usage of all parts of the answer together. */
  #usage(): Usage {
    const { meter, prior } = this.#part;
    return prior ? addUsage(prior.usage, meter.usage()) : meter.usage();
  }

  #brokenError({ detail }: UpstreamFailure): AiBalancerError {
    const { result, shown } = this.#part;
    return this.#end(streamBrokenError(detail, result.state.recorder, shown.text));
  }

  #hasEnded(): boolean {
    return this.#state.kind === 'ended';
  }

  #abortError(): Error {
    const error = this.#state.kind === 'ended' ? this.#state.error : undefined;
    return error ?? abortedError(this.#call.signal);
  }

  #end<E extends Error | undefined>(error: E): E {
    const state = this.#state;
    if (state.kind === 'ended') return error;
    this.#part.result.state.recorder.recordEnd(this.#usage());
    this.#state = { kind: 'ended', error };
    this.#readerTimeout.stop();
    this.#call.signal.removeEventListener('abort', this);
    if (state.kind === 'recovering') state.abort.abort();
    this.#parts.onEnd(error);
    return error;
  }
}

/**
 * An endpoint that was asked to continue an answer started it over, and the reader can't be notified. This is not the
 * endpoint's fault.
 */
class UnannouncedRestart extends UpstreamFailure {
  constructor() {
    super({ class: 'bad_answer', message: 'it started the answer over instead of continuing it' }, true);
  }
}
