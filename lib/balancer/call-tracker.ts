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
import type { LiveStreamParts } from '../failover/stream-session';
import type { ChatStream } from '../stream/chat-stream';
import { startTimer } from '../util/timers';
import type { CallOutcome } from './call-outcome';
import type { CallCounts } from './stats';
import { type CallAccounts, RunningCall } from './tracked-call';

/** The least weight of a new call in the mean size of calls. */
const CALL_TOKENS_GAIN = 0.05;

export interface RunningCallsParts {
  /** Asked anew for each call: a reload may have changed it. */
  prepare(): PrepareParts;
  /** A stream has begun. Gives what its caller reads; `onEnd` is to be told of its end. */
  open(running: RunningCall, result: StreamResult, onEnd: LiveStreamParts['onEnd']): ChatStream;
  onSuccess(call: Call, route: RouteReport): void;
  /** Every call's end, with the error where it has failed. */
  onEnd(call: Call, error: unknown): void;
}

/** The calls that have begun and not yet ended: checked, counted, charged, and drained when the balancer closes. */
export class RunningCalls implements CallAccounts {
  readonly counts: CallCounts = { ok: 0, failed: 0, shed: 0 };
  readonly #parts: RunningCallsParts;
  readonly #running = new Set<RunningCall>();
  /** Those that the closing has cut off. */
  readonly #cancelled = new WeakSet<RunningCall>();
  #meanTokens = 0;
  #begun = 0;
  #isClosed = false;
  #onIdle: (() => void) | undefined;

  constructor(parts: RunningCallsParts) {
    this.#parts = parts;
  }

  /** The running mean of what calls were estimated at, prompt and output together. */
  get meanTokens(): number {
    return this.#meanTokens;
  }

  /** @throws ERR_AI_CLOSED; ERR_AI_BAD_REQUEST that names the field. */
  begin(
    outcome: CallOutcome,
    operation: Operation,
    body: unknown,
    options: CallOptions,
    gate: CallGate,
  ): RunningCall {
    if (this.#isClosed) throw closedError();
    const asked = checked(operation, body, options);
    const abort = new LinkedAbort(options.signal, gate.signal);
    try {
      const call = prepareCall(operation, asked, options, abort, this.#parts.prepare(), gate.request);
      const running = new RunningCall(call, gate, abort, outcome, this);
      outcome.abort = abort;
      this.#running.add(running);
      const gain = Math.max(CALL_TOKENS_GAIN, 1 / ++this.#begun);
      this.#meanTokens += gain * (call.promptTokens + call.expectedOutputTokens - this.#meanTokens);
      return running;
    } catch (error) {
      abort.release();
      throw error;
    }
  }

  opened(running: RunningCall, result: StreamResult): ChatStream {
    try {
      return this.#parts.open(running, result, (error) => {
        const route = result.trail.report();
        if (error) this.failed(running, error, route);
        else this.succeeded(running, route);
      });
    } catch (error) {
      throw this.failed(running, error);
    }
  }

  succeeded(running: RunningCall, route: RouteReport): void {
    this.#parts.onSuccess(running.call, route);
    this.counts.ok++;
    this.#ended(running, route, undefined);
  }

  /** Gives back the error to throw. */
  failed(running: RunningCall, thrown: unknown, route?: RouteReport): unknown {
    const cutOff = this.#cancelled.has(running) && hasCode(thrown, 'ERR_AI_ABORTED');
    const error = cutOff ? closedError() : thrown;
    if (hasCode(error, 'ERR_AI_SATURATED')) this.counts.shed++;
    else if (!hasCode(error, 'ERR_AI_ABORTED')) this.counts.failed++;
    this.#ended(running, route, error);
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

  #ended(running: RunningCall, route: RouteReport | undefined, error: unknown): void {
    const { call, abort, gate } = running;
    abort.release();
    this.#running.delete(running);
    if (this.#running.size === 0) this.#onIdle?.();
    gate.charge?.(call, route);
    this.#parts.onEnd(call, error);
  }
}

/** @throws ERR_AI_BAD_REQUEST that names the field. */
export function checked(operation: Operation, body: unknown, options: CallOptions): ChatBody | EmbeddingBody {
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
