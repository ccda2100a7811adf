import type { ChatBody, EmbeddingBody, Operation } from '../call/body';
import type { Call } from '../call/call';
import type { CallGate } from '../call/call-hooks';
import { checkCallOptions, checkChatBody, checkEmbeddingBody } from '../call/check-body';
import type { CallOptions } from '../call/context';
import { LinkedAbort } from '../call/linked-abort';
import { type PrepareParts, prepareCall } from '../call/prepare';
import type { RouteReport } from '../call/report';
import { AiBalancerError } from '../errors';
import type { StreamResult } from '../failover/executor';
import type { StreamSessionParts } from '../failover/stream-session';
import type { ChatStream } from '../stream/chat-stream';
import { startTimer } from '../util/timers';
import type { CallOutcome } from './call-outcome';
import type { CallCounts } from './stats';
import { type CallLifecycle, TrackedCall } from './tracked-call';

/** The least weight of a new call in the mean size of calls. */
const MIN_CALL_TOKENS_GAIN = 0.05;

export interface CallTrackerParts {
  /** Asked anew for each call: a reload may have changed it. */
  prepareParts(): PrepareParts;
  /** A stream has begun. Gives what its caller reads; `onEnd` is to be told of its end. */
  openStream(running: TrackedCall, result: StreamResult, onEnd: StreamSessionParts['onEnd']): ChatStream;
  onSuccess(call: Call, route: RouteReport): void;
  /** Every call's end, with the error where it has failed. */
  onEnd(call: Call, error: unknown): void;
}

/** The calls that have begun and not yet ended: checked, counted, charged, and drained when the balancer closes. */
export class CallTracker implements CallLifecycle {
  readonly counts: CallCounts = { ok: 0, failed: 0, shed: 0 };
  readonly #parts: CallTrackerParts;
  readonly #running = new Set<TrackedCall>();
  /** Those that the closing has cut off. */
  readonly #cancelled = new WeakSet<TrackedCall>();
  #meanTokens = 0;
  #startedCount = 0;
  #isClosed = false;
  #onIdle: (() => void) | undefined;

  constructor(parts: CallTrackerParts) {
    this.#parts = parts;
  }

  /** The running mean of what calls were estimated at, prompt and output together. */
  get meanTokens(): number {
    return this.#meanTokens;
  }

  /** @throws ERR_AI_CLOSED; ERR_AI_BAD_REQUEST that names the field. */
  start(
    outcome: CallOutcome,
    operation: Operation,
    body: unknown,
    options: CallOptions,
    hooks: CallGate,
  ): TrackedCall {
    if (this.#isClosed) throw closedError();
    const checkedBody = checkCall(operation, body, options);
    const abort = new LinkedAbort(options.signal, hooks.signal);
    try {
      const call = prepareCall(
        operation,
        checkedBody,
        options,
        abort,
        this.#parts.prepareParts(),
        hooks.request,
      );
      const running = new TrackedCall(call, hooks, abort, outcome, this);
      outcome.abort = abort;
      this.#running.add(running);
      const gain = Math.max(MIN_CALL_TOKENS_GAIN, 1 / ++this.#startedCount);
      this.#meanTokens += gain * (call.promptTokens + call.expectedOutputTokens - this.#meanTokens);
      return running;
    } catch (error) {
      abort.release();
      throw error;
    }
  }

  openStream(running: TrackedCall, result: StreamResult): ChatStream {
    try {
      return this.#parts.openStream(running, result, (error) => {
        const route = result.recorder.report();
        if (error) this.recordFailure(running, error, route);
        else this.recordSuccess(running, route);
      });
    } catch (error) {
      throw this.recordFailure(running, error);
    }
  }

  recordSuccess(running: TrackedCall, route: RouteReport): void {
    this.#parts.onSuccess(running.call, route);
    this.counts.ok++;
    this.#finish(running, route, undefined);
  }

  /** Gives back the error to throw. */
  recordFailure(running: TrackedCall, thrown: unknown, route?: RouteReport): unknown {
    const isCancelled = this.#cancelled.has(running) && hasCode(thrown, 'ERR_AI_ABORTED');
    const error = isCancelled ? closedError() : thrown;
    if (hasCode(error, 'ERR_AI_SATURATED')) this.counts.shed++;
    else if (!hasCode(error, 'ERR_AI_ABORTED')) this.counts.failed++;
    this.#finish(running, route, error);
    return error;
  }

  /** Lets no new call in, waits for those that run, and cuts off what is left after `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    this.#isClosed = true;
    if (this.#running.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = startTimer(resolve, graceMs);
        this.#onIdle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const running of [...this.#running]) {
      this.#cancelled.add(running);
      running.abort.abort(closedError());
    }
  }

  #finish(running: TrackedCall, route: RouteReport | undefined, error: unknown): void {
    const { call, abort, hooks: hooks } = running;
    abort.release();
    this.#running.delete(running);
    if (this.#running.size === 0) this.#onIdle?.();
    hooks.charge?.(call, route);
    this.#parts.onEnd(call, error);
  }
}

/** @throws ERR_AI_BAD_REQUEST that names the field. */
export function checkCall(
  operation: Operation,
  body: unknown,
  options: CallOptions,
): ChatBody | EmbeddingBody {
  if (operation === 'chat') checkChatBody(body);
  else checkEmbeddingBody(body);
  checkCallOptions(options);
  return body;
}

export function closedError(): AiBalancerError {
  return new AiBalancerError('ERR_AI_CLOSED', 'the balancer is closing', { status: 503, retryable: false });
}

function hasCode(error: unknown, code: AiBalancerError['code']): boolean {
  return AiBalancerError.isInstance(error) && error.code === code;
}
