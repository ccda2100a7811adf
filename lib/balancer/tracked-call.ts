import type { Call } from '../call/call';
import type { CallGate } from '../call/call-hooks';
import type { LinkedAbort } from '../call/linked-abort';
import type { RouteReport } from '../call/report';
import type { StreamCaller, StreamEnd, StreamResult, WholeCaller, WholeEnd } from '../failover/executor';
import type { ChatStream } from '../stream/chat-stream';
import type { CallOutcome } from './call-outcome';

/** Those who keep account of the calls. */
export interface CallAccounts {
  succeeded(running: RunningCall, route: RouteReport): void;
  /** Gives back the error to throw. */
  failed(running: RunningCall, thrown: unknown, route?: RouteReport): unknown;
  /** A stream has begun: what its caller reads. */
  opened(running: RunningCall, result: StreamResult): ChatStream;
}

/** One call between its beginning and its end. */
export class RunningCall implements WholeCaller, StreamCaller {
  readonly #accounts: CallAccounts;

  constructor(
    readonly call: Call,
    readonly gate: CallGate,
    readonly abort: LinkedAbort,
    readonly outcome: CallOutcome,
    accounts: CallAccounts,
  ) {
    this.#accounts = accounts;
  }

  ended(end: WholeEnd): void {
    this.outcome.settle(() => {
      if (!end.ok) throw this.#accounts.failed(this, end.error, end.route);
      this.#accounts.succeeded(this, end.route);
      return end;
    });
  }

  begun(end: StreamEnd): void {
    this.outcome.settle(() => {
      if (!end.ok) throw this.#accounts.failed(this, end.error);
      const data = this.#accounts.opened(this, end.result);
      return { data, route: data.route };
    });
  }

  /** It was not let in, or never sent. */
  refused(error: unknown): void {
    this.outcome.settle(() => {
      throw this.#accounts.failed(this, error);
    });
  }
}
