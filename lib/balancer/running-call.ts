import type { CacheLookup } from '../cache/response-cache';
import { type Call, latestStartAt } from '../call/call';
import type { CallHooks } from '../call/call-hooks';
import type { CallOptions } from '../call/context';
import { AiBalancerError } from '../errors';
import type { Caller, CallResult } from '../failover/call-result';
import { untilAborted } from '../failover/until-aborted';
import type { CallOutcome } from './call-outcome';

/**
 * A call between its start and its end. While it waits in the queue this object is all that waits with it: an async
 * function or a closure per call would multiply the memory of 10,000 waiting calls.
 */
export class RunningCall implements Caller {
  /** What the cache has for the call; undefined where it was not asked. */
  lookup: CacheLookup | undefined = undefined;
  readonly #settle: (running: RunningCall, result: CallResult) => void;

  constructor(
    /** Replaced where a hook changes its body, or where the cache has a part of the answer. */
    public call: Call,
    readonly options: CallOptions,
    readonly hooks: CallHooks,
    readonly outcome: CallOutcome,
    settle: (running: RunningCall, result: CallResult) => void,
  ) {
    this.#settle = settle;
  }

  /**
   * Runs the `admit` hook. It calls functions of the app, so the call does not wait for it beyond its own deadline or
   * after its caller has left.
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
