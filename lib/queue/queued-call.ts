import type { CallSignal } from '../call/call-signal';
import type { Priority } from '../call/context';

/** What calls compete for: a quota. Compared by identity; the queue reads only its rates. */
export interface Resource {
  /** Refill rate in tokens per millisecond; Infinity when unlimited. Read at least once per second. */
  readonly tokensPerMs: number;
  /** Refill rate in requests per millisecond; Infinity when unlimited. */
  readonly requestsPerMs: number;
}

export type StartResult<Slot> =
  | { readonly kind: 'started'; readonly slot: Slot }
  | {
      readonly kind: 'waiting';
      /** The resource on which the call could start soonest. The call holds it against the calls behind it. */
      readonly on?: Resource;
      /** Milliseconds until then; Infinity when only an event (`wake()`) can free it. */
      readonly waitMs: number;
    }
  /** The call can no longer be served in time, or not at all. */
  | { readonly kind: 'hopeless'; readonly error: Error };

/** Called once, when the call leaves the queue. Must not call the queue: it may be in the middle of a drain. */
export interface QueueCallbacks<Slot> {
  /** The call now owns the slot. */
  started(slot: Slot): void;
  /**
   * @param error ERR_AI_SATURATED (queue full, or no quota in time), ERR_AI_ABORTED (the caller aborted), ERR_AI_DEADLINE
   *   (the deadline passed), or the error of a 'hopeless' start result.
   */
  failed(error: Error): void;
}

/** A call as the wait queue sees it. */
export interface QueuedCall<Slot> {
  /**
   * Calls with the same key can use exactly the same resources and form one pool. A key must not stand for other
   * resources while calls wait under it: after a reload, use new keys.
   */
  readonly poolKey: string;
  readonly resources: readonly Resource[];
  /**
   * Milliseconds until any call may start on one of the resources; 0 if one may now, as far as the pool knows, Infinity if
   * only `wake()` can tell. Calls of a pool whose resources are all closed or held are not tried. Default: never closed.
   */
  readonly closedMs?: (resource: Resource, now: number) => number;
  readonly priority: Priority;
  readonly tenant: string;
  readonly promptTokens: number;
  /** `max_tokens`, or the expected output. */
  readonly outputTokens: number;
  /** When the call began to wait, in `performance.now()` time. Default: now. Set when a call returns to the queue. */
  readonly waitingSince?: number;
  /** In `performance.now()` time; Infinity for none. */
  readonly deadlineAt: number;
  /** A lower bound of the service time in milliseconds: a call with less time left is shed. */
  readonly serviceMs: number;
  /** The call's signal; has one listener while the call waits. */
  readonly signal?: CallSignal;
  /** Tries to start on a resource that is not held. Synchronous; must not throw. */
  tryStart(isHeld: (resource: Resource) => boolean): StartResult<Slot>;
}
