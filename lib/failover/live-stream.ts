import type { Call } from '../call/call';
import { UpstreamFailure } from '../endpoint/exchange';
import { AiBalancerError } from '../errors';
import type { ChatEvent } from '../stream/chat-event';
import type { UsageMeter } from '../stream/usage';
import { abortedError } from './backoff';
import { deadlineError } from './call-errors';
import type { StreamResult } from './executor';

export interface LiveStreamListeners {
  /** The stream has ended; called exactly once. */
  onEnd(error: AiBalancerError | undefined): void;
}

/**
 * A stream that has begun, read to its end: settles its reservation, tells the breaker, and ends whole or with an
 * error, never as if a cut answer were complete.
 */
export class LiveStream {
  readonly #call: Call;
  readonly #result: StreamResult;
  readonly #meter: UsageMeter;
  readonly #listeners: LiveStreamListeners;
  #ended = false;
  readonly #onAbort = (): void => this.abort();

  constructor(call: Call, result: StreamResult, meter: UsageMeter, listeners: LiveStreamListeners) {
    this.#call = call;
    this.#result = result;
    this.#meter = meter;
    this.#listeners = listeners;
    for (const event of result.sent.first) meter.add(event);
    // A consumer that is not reading when the caller leaves would never hear of it.
    call.signal.addEventListener('abort', this.#onAbort, { once: true });
    if (call.signal.aborted) this.abort();
  }

  /** What follows the first events. */
  async *events(): AsyncGenerator<ChatEvent, void, undefined> {
    const { sent, lease, trail } = this.#result;
    try {
      for await (const event of sent.rest) {
        this.#meter.add(event);
        yield event;
      }
      if (this.#ended) throw abortedError(this.#call.signal);
      const usage = this.#meter.usage();
      lease.succeeded(usage);
      trail.ended(usage);
      this.#end(undefined);
    } catch (error) {
      throw this.#broken(error);
    } finally {
      this.abort();
    }
  }

  /** Stops the upstream. What it had produced is settled. */
  abort(): void {
    if (this.#ended) return;
    const { sent, lease, trail } = this.#result;
    const usage = this.#meter.usage();
    lease.aborted(true, usage.completion_tokens);
    trail.ended(usage);
    this.#end(abortedError(this.#call.signal));
    sent.abort();
  }

  #broken(error: unknown): AiBalancerError {
    if (this.#ended || this.#call.signal.aborted) {
      this.abort();
      return AiBalancerError.isInstance(error) ? error : abortedError(this.#call.signal);
    }
    const { lease, trail } = this.#result;
    const usage = this.#meter.usage();
    const failure =
      error instanceof UpstreamFailure
        ? error
        : new UpstreamFailure({ class: 'bad_answer', message: 'the stream could not be read' }, true);
    lease.failed(failure, usage.completion_tokens);
    trail.broke(failure.detail);
    trail.ended(usage);
    const { class: failed, message } = failure.detail;
    const late = failed === 'timeout' && performance.now() >= this.#call.deadlineAt;
    const broken = late
      ? deadlineError(trail)
      : new AiBalancerError('ERR_AI_STREAM_BROKEN', `the stream broke off: ${message}`, {
          status: 502,
          retryable: true,
          partialText: this.#meter.text,
          attempts: [...trail.attempts],
          route: trail.summary(),
        });
    this.#end(broken);
    return broken;
  }

  #end(error: AiBalancerError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#call.signal.removeEventListener('abort', this.#onAbort);
    this.#listeners.onEnd(error);
  }
}
