import type { CacheLookup } from '../cache/response-cache';
import { type Call, latestStartAt } from '../call/call';
import type { CallHooks } from '../call/call-hooks';
import type { CallOptions } from '../call/context';
import { AiBalancerError } from '../errors';
import type { Caller, CallResult } from '../failover/call-result';
import { untilAborted } from '../failover/until-aborted';
import type { CallOutcome } from './call-outcome';

/**
 * A call between its start and its end. While the call waits in the queue, this object is all that it keeps in memory:
 * with an async function or a closure per call, 10,000 waiting calls would need several times as much.
 */
export class RunningCall implements Caller {
  /** The result of the cache lookup; undefined if the cache was not consulted. */
  lookup: CacheLookup | undefined = undefined;
  readonly #settle: (running: RunningCall, result: CallResult) => void;

  constructor(
    /** The call to send. Replaced when a hook changes the body, or when the cache has a part of the answer. */
    public call: Call,
    readonly options: CallOptions,
    readonly hooks: CallHooks,
    readonly outcome: CallOutcome,
    settle: (running: RunningCall, result: CallResult) => void,
  ) {
    this.#settle = settle;
  }

  /**
   * Runs the `admit` hook. The hook calls functions of the app, so the wait for it ends at the call's deadline or when
   * the caller aborts.
   *
   * @throws What the hook throws; ERR_AI_DEADLINE; ERR_AI_ABORTED.
   */
  async admit(): Promise<void> {
    const { call, hooks } = this;
    if (hooks.admit === undefined) return;
    const admit = async (): Promise<true> => {
      await hooks.admit?.(call);
      return true;
    };
    if (await untilAborted(admit(), latestStartAt(call) - performance.now(), call.signal)) return;
    throw new AiBalancerError(
      'ERR_AI_DEADLINE',
      'deadline exceeded before the call was admitted: check that tenant(), priority() and skip() of the guard settle',
      { status: 504, retryable: true },
    );
  }

  onEnd(result: CallResult): void {
    this.#settle(this, result);
  }
}
