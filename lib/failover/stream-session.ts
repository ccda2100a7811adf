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
import { deadlineError, streamBroken } from './call-errors';
import type { StreamResult } from './executor';
import type { Rescue } from './stream-recovery';

/** A stream that nobody begins to read gives its place and its quota back after so long. */
const UNREAD_MS = 60_000;

export interface LiveStreamParts {
  newMeter(call: Call): UsageMeter;
  readonly rescue: Rescue;
  /** The next event begins the answer anew. */
  onRestart(): void;
  /** The stream has ended; called exactly once. */
  onEnd(error: AiBalancerError | undefined): void;
}

/** The answer of one endpoint, or what one adds to it. */
interface Part {
  readonly result: StreamResult;
  /** What this endpoint has used. */
  readonly meter: UsageMeter;
  readonly events: AsyncIterable<ChatEvent>;
}

/**
 * A stream that has begun, read to its end: settles its reservations, tells the breakers, and ends whole or with an
 * error, never as if a cut answer were complete. Where an endpoint breaks it off, the rescue may find another.
 */
export class LiveStream {
  readonly #call: Call;
  readonly #parts: LiveStreamParts;
  /** Ends the search for another endpoint when the reader leaves. */
  #leaving: LinkedAbort | undefined;
  #part: Part;
  /** What the reader has of the answer. Of an answer in one part, it is that part's own meter. */
  #shown: UsageMeter;
  /** What earlier parts of the same answer have used. */
  #before: Usage | undefined;
  #head: Pick<ChatCompletionChunk, 'id' | 'created' | 'model'> | undefined;
  #ended = false;
  /** Why it was ended before its own end. */
  #stopped: AiBalancerError | undefined;
  readonly #unread: Timer;
  readonly #onAbort = (): void => this.abort();

  constructor(call: Call, result: StreamResult, parts: LiveStreamParts) {
    this.#call = call;
    this.#parts = parts;
    const meter = parts.newMeter(call);
    for (const event of result.sent.first) meter.add(event);
    this.#part = { result, meter, events: result.sent.rest };
    this.#shown = meter;
    // A consumer that is not reading when the caller leaves would never hear of it.
    call.signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#unread = startTimer(() => this.abort(unreadError()), UNREAD_MS).unref();
    if (call.signal.aborted) this.abort();
  }

  /** Somebody reads: from here on the pace is the reader's. */
  opened(): void {
    clearTimeout(this.#unread);
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
          if (this.#ended) throw this.#leftError();
          this.#whole();
          return;
        } catch (error) {
          failure = this.#failed(error);
        }
        await this.#rescued(failure);
      }
    } finally {
      this.abort();
    }
  }

  /** Stops the upstream. What it had produced is settled. */
  abort(reason?: AiBalancerError): void {
    if (this.#ended) return;
    this.#stopped = reason;
    const { meter, result } = this.#part;
    result.lease.abort(true, meter.usage().completion_tokens);
    this.#end(this.#leftError());
    result.sent.abort();
  }

  #whole(): void {
    const { result, meter } = this.#part;
    result.lease.succeed(meter.usage());
    this.#end(undefined);
  }

  /** The part has ended badly; its lease is settled. Throws where that was the reader's doing, not the upstream's. */
  #failed(error: unknown): UpstreamFailure {
    if (this.#ended || this.#call.signal.aborted) {
      this.abort();
      throw AiBalancerError.isInstance(error) ? error : this.#leftError();
    }
    // A listener to restarts threw.
    if (!(error instanceof UpstreamFailure)) throw error;
    const { result, meter } = this.#part;
    const output = meter.usage().completion_tokens;
    if (error instanceof BegunAnew) result.lease.abort(true, output);
    else result.lease.fail(error, output);
    result.trail.broke(error.detail);
    return error;
  }

  /** Returns when another endpoint has taken over. */
  async #rescued(failure: UpstreamFailure): Promise<void> {
    const { result, meter } = this.#part;
    const { trail } = result;
    if (failure.detail.class === 'timeout' && performance.now() >= this.#call.deadlineAt) {
      throw this.#end(deadlineError(trail));
    }
    const { rescue } = this.#parts;
    if (rescue.isOff || failure instanceof BegunAnew) throw this.#broken(failure);
    let next: StreamResult;
    try {
      this.#leaving ??= new LinkedAbort(this.#call.signal);
      const signal = this.#leaving;
      const produced = this.#used().completion_tokens;
      next = await rescue.rescue({ result, failure, shown: this.#shown, produced, signal });
    } catch {
      if (this.#ended) throw this.#leftError();
      throw this.#broken(failure);
    }
    if (this.#ended) {
      next.lease.abort(true);
      next.sent.abort();
      throw this.#leftError();
    }
    if (next.continued) this.#goOn(next, meter);
    else this.#beginAnew(next);
  }

  #beginAnew(result: StreamResult): void {
    const used = this.#used();
    const meter = this.#parts.newMeter(result.progress.call);
    this.#part = { result, meter, events: eventsOf(result) };
    this.#shown = meter;
    this.#restarted(used);
  }

  #goOn(result: StreamResult, last: UsageMeter): void {
    this.#head ??= headOf(this.#part.result);
    this.#before = addUsage(this.#before, last.usage());
    const used = this.#before;
    const meter = this.#parts.newMeter(result.progress.call);
    const onAnew = (): void => {
      if (!this.#parts.rescue.mayRestart) throw new BegunAnew();
      this.#shown = this.#parts.newMeter(this.#call);
      this.#restarted(used);
    };
    const { text } = this.#shown;
    const events = continuedEvents(metered(result, meter), {
      text,
      identity: this.#head,
      priorUsage: used,
      onRestart: onAnew,
    });
    this.#part = { result, meter, events };
  }

  /** What the reader had is void. */
  #restarted({ total_tokens }: Usage): void {
    this.#before = undefined;
    this.#head = undefined;
    this.#part.result.trail.wasted(total_tokens);
    this.#parts.onRestart();
  }

  #used(): Usage {
    const usage = this.#part.meter.usage();
    return this.#before ? addUsage(this.#before, usage) : usage;
  }

  #broken({ detail }: UpstreamFailure): AiBalancerError {
    const error = streamBroken(detail, this.#part.result.trail, this.#shown.text);
    return this.#end(error);
  }

  #leftError(): AiBalancerError {
    return this.#stopped ?? abortedError(this.#call.signal);
  }

  #end<E extends AiBalancerError | undefined>(error: E): E {
    if (this.#ended) return error;
    this.#part.result.trail.ended(this.#used());
    this.#ended = true;
    clearTimeout(this.#unread);
    this.#call.signal.removeEventListener('abort', this.#onAbort);
    this.#leaving?.abort();
    this.#leaving?.release();
    this.#parts.onEnd(error);
    return error;
  }
}

/** Asked to go on, the endpoint began anew, and nobody can be told: no fault of the endpoint's. */
class BegunAnew extends UpstreamFailure {
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
