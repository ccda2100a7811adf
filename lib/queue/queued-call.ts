import type { CallSignal } from '../call/call-signal';
import type { Priority } from '../call/context';

/** What calls compete for: a quota. Resources are compared by identity; the queue reads only their rates. */
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
      /** The resource on which the call could start soonest. The call holds it against calls behind it. */
      readonly on?: Resource;
      /**
       * Milliseconds until the call could start on that resource; Infinity if only an event (`wake()`) can free
       * capacity.
       */
      readonly waitMs: number;
    }
  /** The call can't be served in time or at all. */
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

/** What the wait queue knows of a call. */
export interface QueuedCall<Slot> {
  /**
   * Calls with the same key can use exactly the same resources and form one pool. While calls wait under a key, its
   * resources must not change: use new keys after a reload.
   */
  readonly poolKey: string;
  readonly resources: readonly Resource[];
  /**
   * Milliseconds until any call of the pool may start on the given resource; 0 if one may now, as far as the pool
   * knows; Infinity if the time is unknown and `wake()` will announce it. Calls of a pool whose resources are all
   * closed or held are not tried. Default: never closed.
   */
  readonly closedMs?: (resource: Resource, now: number) => number;
  readonly priority: Priority;
  readonly tenant: string;
  readonly promptTokens: number;
  /** `max_tokens`, or the expected output. */
  readonly outputTokens: number;
  /** Estimated size of the body in bytes. Read once, and only if the call has to wait. Default 0. */
  readonly bodyBytes?: number;
  /**
   * When the call began to wait, on the clock of performance.now(). Set for a call that returns to the queue. Default:
   * now.
   */
  readonly waitingSince?: number;
  /** Deadline on the clock of performance.now(); Infinity for none. */
  readonly deadlineAt: number;
  /** Lower bound on the service time in milliseconds: a call with less time left before its deadline is shed. */
  readonly serviceMs: number;
  /** Aborts the call. The queue adds one listener while the call waits. */
  readonly signal?: CallSignal;
  /** Tries to start on a resource that is not held. Synchronous; must not throw. */
  tryStart(isHeld: (resource: Resource) => boolean): StartResult<Slot>;
}
