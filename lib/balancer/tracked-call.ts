import type { Call } from '../call/call';
import type { CallGate } from '../call/call-hooks';
import type { LinkedAbort } from '../call/linked-abort';
import type { RouteReport } from '../call/report';
import type { StreamCaller, StreamEnd, StreamResult, WholeCaller, WholeEnd } from '../failover/executor';
import type { ChatStream } from '../stream/chat-stream';
import type { CallOutcome } from './call-outcome';

/** Those who keep account of the calls. */
export interface CallLifecycle {
  recordSuccess(running: TrackedCall, route: RouteReport): void;
  /** Gives back the error to throw. */
  recordFailure(running: TrackedCall, thrown: unknown, route?: RouteReport): unknown;
  /** A stream has begun: what its caller reads. */
  openStream(running: TrackedCall, result: StreamResult): ChatStream;
}

/** One call between its beginning and its end. */
export class TrackedCall implements WholeCaller, StreamCaller {
  readonly #accounts: CallLifecycle;

  constructor(
    readonly call: Call,
    readonly hooks: CallGate,
    readonly abort: LinkedAbort,
    readonly outcome: CallOutcome,
    lifecycle: CallLifecycle,
  ) {
    this.#accounts = lifecycle;
  }

  finished(end: WholeEnd): void {
    this.outcome.settle(() => {
      if (!end.ok) throw this.#accounts.recordFailure(this, end.error, end.route);
      this.#accounts.recordSuccess(this, end.route);
      return end;
    });
  }

  started(end: StreamEnd): void {
    this.outcome.settle(() => {
      if (!end.ok) throw this.#accounts.recordFailure(this, end.error);
      const data = this.#accounts.openStream(this, end.result);
      return { data, route: data.route };
    });
  }

  /** It was not let in, or never sent. */
  reject(error: unknown): void {
    this.outcome.settle(() => {
      throw this.#accounts.recordFailure(this, error);
    });
  }
}
