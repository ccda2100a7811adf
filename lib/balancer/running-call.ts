import type { Call } from '../call/call';
import type { CallHooks } from '../call/call-hooks';
import type { StreamCaller, StreamStart, WholeCaller, WholeResult } from '../failover/executor';
import type { CallOutcome } from './call-outcome';

/** Settles calls: the owner of every {@link RunningCall}. */
export interface CallSettler {
  settleWhole(running: RunningCall, result: WholeResult): void;
  settleStream(running: RunningCall, start: StreamStart): void;
}

/**
 * A call between its start and its end. While it waits in the queue this object is all that waits with it: an async
 * function or a closure per call would multiply the memory of 10,000 waiting calls.
 */
export class RunningCall implements WholeCaller, StreamCaller {
  readonly #settler: CallSettler;

  constructor(
    readonly call: Call,
    readonly hooks: CallHooks,
    readonly outcome: CallOutcome,
    settler: CallSettler,
  ) {
    this.#settler = settler;
  }

  onEnd(result: WholeResult): void {
    this.#settler.settleWhole(this, result);
  }

  onStart(start: StreamStart): void {
    this.#settler.settleStream(this, start);
  }
}
