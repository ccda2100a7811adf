import type { ChatCompletionChunk, Usage } from '../call/answer';
import type { Call } from '../call/call';
import { LinkedAbort } from '../call/linked-abort';
import { AiBalancerError } from '../errors';
import { UpstreamFailure } from '../http/exchange';
import type { ChatEvent } from '../stream/chat-event';
import { continuedEvents } from '../stream/continued-events';
import { addUsage, type UsageMeter } from '../stream/usage-meter';
import { startTimer, type Timer } from '../util/timers';
import { abortedError } from './backoff';
import { deadlineError, streamBrokenError } from './call-errors';
import type { StreamResult } from './executor';
import type { StreamRecovery } from './stream-recovery';

/** A stream that nobody begins to read gives its place and its quota back after so long. */
const UNREAD_MS = 60_000;

export interface StreamSessionParts {
  newMeter(call: Call): UsageMeter;
  readonly recovery: StreamRecovery;
  /** The next event begins the answer anew. */
  onRestart(): void;
  /** The stream has ended; called exactly once. */
  onEnd(error: AiBalancerError | undefined): void;
}

/** The answer of one endpoint, or what one adds to it. */
interface AnswerPart {
  readonly result: StreamResult;
  /** What this endpoint has used. */
  readonly meter: UsageMeter;
  readonly events: AsyncIterable<ChatEvent>;
}

/**
 * A stream that has begun, read to its end: settles its reservations, tells the breakers, and ends whole or with an
 * error, never as if a cut answer were complete. Where an endpoint breaks it off, the rescue may find another.
 */
export class StreamSession {
  readonly #call: Call;
  readonly #parts: StreamSessionParts;
  /** Ends the search for another endpoint when the reader leaves. */
  #readerAbort: LinkedAbort | undefined;
  #part: AnswerPart;
  /** What the reader has of the answer. Of an answer in one part, it is that part's own meter. */
  #shown: UsageMeter;
  /** What earlier parts of the same answer have used. */
  #priorUsage: Usage | undefined;
  #identity: Pick<ChatCompletionChunk, 'id' | 'created' | 'model'> | undefined;
  #ended = false;
  /** Why it was ended before its own end. */
  #abortReason: AiBalancerError | undefined;
  readonly #unreadTimer: Timer;
  readonly #onAbort = (): void => this.abort();

  constructor(call: Call, result: StreamResult, parts: StreamSessionParts) {
    this.#call = call;
    this.#parts = parts;
    const meter = parts.newMeter(call);
    for (const event of result.sent.first) meter.add(event);
    this.#part = { result, meter, events: result.sent.rest };
    this.#shown = meter;
    // A consumer that is not reading when the caller leaves would never hear of it.
    call.signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#unreadTimer = startTimer(() => this.abort(unreadError()), UNREAD_MS).unref();
    if (call.signal.aborted) this.abort();
  }

  /** Somebody reads: from here on the pace is the reader's. */
  readingStarted(): void {
    clearTimeout(this.#unreadTimer);
  }

  /** What follows the first events. */
  async *events(): AsyncGenerator<ChatEvent, void, undefined> {
    try {
      for (;;) {
        let failure: UpstreamFailure;
        try {
          for await (const event of this.#part.events) {
            this.#shown.add(event);
            yield event;
          }
          if (this.#ended) throw this.#abortError();
          this.#finish();
          return;
        } catch (error) {
          failure = this.#settleFailure(error);
        }
        await this.#recover(failure);
      }
    } finally {
      this.abort();
    }
  }

  /** Stops the upstream. What it had produced is settled. */
  abort(reason?: AiBalancerError): void {
    if (this.#ended) return;
    this.#abortReason = reason;
    const { meter, result } = this.#part;
    result.slot.abort(true, meter.usage().completion_tokens);
    this.#end(this.#abortError());
    result.sent.abort();
  }

  #finish(): void {
    const { result, meter } = this.#part;
    result.slot.succeed(meter.usage());
    this.#end(undefined);
  }

  /** The part has ended badly; its slot is settled. Throws where that was the reader's doing, not the upstream's. */
  #settleFailure(error: unknown): UpstreamFailure {
    if (this.#ended || this.#call.signal.aborted) {
      this.abort();
      throw AiBalancerError.isInstance(error) ? error : this.#abortError();
    }
    // A listener to restarts threw.
    if (!(error instanceof UpstreamFailure)) throw error;
    const { result, meter } = this.#part;
    const output = meter.usage().completion_tokens;
    if (error instanceof RestartedByUpstream) result.slot.abort(true, output);
    else result.slot.fail(error, output);
    result.recorder.recordStreamBreak(error.detail);
    return error;
  }

  /** Returns when another endpoint has taken over. */
  async #recover(failure: UpstreamFailure): Promise<void> {
    const { result, meter } = this.#part;
    const { recorder } = result;
    if (failure.detail.class === 'timeout' && performance.now() >= this.#call.deadlineAt) {
      throw this.#end(deadlineError(recorder));
    }
    const { recovery } = this.#parts;
    if (recovery.isOff || failure instanceof RestartedByUpstream) throw this.#brokenError(failure);
    let next: StreamResult;
    try {
      this.#readerAbort ??= new LinkedAbort(this.#call.signal);
      const signal = this.#readerAbort;
      const produced = this.#usage().completion_tokens;
      next = await recovery.recover({ result, failure, shown: this.#shown, produced, signal });
    } catch {
      if (this.#ended) throw this.#abortError();
      throw this.#brokenError(failure);
    }
    if (this.#ended) {
      next.slot.abort(true);
      next.sent.abort();
      throw this.#abortError();
    }
    if (next.continued) this.#continueWith(next, meter);
    else this.#restartWith(next);
  }

  #restartWith(result: StreamResult): void {
    const used = this.#usage();
    const meter = this.#parts.newMeter(result.state.call);
    this.#part = { result, meter, events: eventsOf(result) };
    this.#shown = meter;
    this.#notifyRestart(used);
  }

  #continueWith(result: StreamResult, last: UsageMeter): void {
    this.#identity ??= headOf(this.#part.result);
    this.#priorUsage = addUsage(this.#priorUsage, last.usage());
    const used = this.#priorUsage;
    const meter = this.#parts.newMeter(result.state.call);
    const onAnew = (): void => {
      if (!this.#parts.recovery.mayRestart) throw new RestartedByUpstream();
      this.#shown = this.#parts.newMeter(this.#call);
      this.#notifyRestart(used);
    };
    const { text } = this.#shown;
    const events = continuedEvents(metered(result, meter), {
      text,
      identity: this.#identity,
      priorUsage: used,
      onRestart: onAnew,
    });
    this.#part = { result, meter, events };
  }

  /** What the reader had is void. */
  #notifyRestart({ total_tokens }: Usage): void {
    this.#priorUsage = undefined;
    this.#identity = undefined;
    this.#part.result.recorder.addWastedTokens(total_tokens);
    this.#parts.onRestart();
  }

  #usage(): Usage {
    const usage = this.#part.meter.usage();
    return this.#priorUsage ? addUsage(this.#priorUsage, usage) : usage;
  }

  #brokenError({ detail }: UpstreamFailure): AiBalancerError {
    const error = streamBrokenError(detail, this.#part.result.recorder, this.#shown.text);
    return this.#end(error);
  }

  #abortError(): AiBalancerError {
    return this.#abortReason ?? abortedError(this.#call.signal);
  }

  #end<E extends AiBalancerError | undefined>(error: E): E {
    if (this.#ended) return error;
    this.#part.result.recorder.recordEnd(this.#usage());
    this.#ended = true;
    clearTimeout(this.#unreadTimer);
    this.#call.signal.removeEventListener('abort', this.#onAbort);
    this.#readerAbort?.abort();
    this.#readerAbort?.release();
    this.#parts.onEnd(error);
    return error;
  }
}

/** Asked to go on, the endpoint began anew, and nobody can be told: no fault of the endpoint's. */
class RestartedByUpstream extends UpstreamFailure {
  constructor() {
    super({ class: 'bad_answer', message: 'asked to go on, it began anew' }, true);
  }
}

async function* eventsOf({ sent }: StreamResult): AsyncGenerator<ChatEvent, void, undefined> {
  yield* sent.first;
  yield* sent.rest;
}

async function* metered(result: StreamResult, meter: UsageMeter): AsyncGenerator<ChatEvent, void, undefined> {
  for await (const event of eventsOf(result)) {
    meter.add(event);
    yield event;
  }
}

/** Azure's first chunk, with the filter's results, has no id. */
function headOf({ sent }: StreamResult): Pick<ChatCompletionChunk, 'id' | 'created' | 'model'> {
  const { id, created, model } = (sent.first.at(-1) as ChatEvent).chunk;
  return { id, created, model };
}

function unreadError(): AiBalancerError {
  return new AiBalancerError(
    'ERR_AI_ABORTED',
    `nobody began to read the stream within ${UNREAD_MS / 1_000} s of its first content`,
    { status: 499 },
  );
}
