import type { CallSignal } from '../call/call-signal';
import type { Priority } from '../call/context';

/** Something calls compete for: a quota. Compared by identity; the queue reads nothing of it but its rates. */
export interface Resource {
  /** Refill in tokens a millisecond; Infinity when unlimited. Read anew at least once a second. */
  readonly tokensPerMs: number;
  /** Refill in requests a millisecond; Infinity when unlimited. */
  readonly requestsPerMs: number;
}

export type StartResult<Slot> =
  | { readonly kind: 'started'; readonly slot: Slot }
  | {
      readonly kind: 'waiting';
      /** The resource on which it could start soonest. The call holds it against those behind it. */
      readonly on?: Resource;
      /** Milliseconds until then; Infinity when only `wake()` can tell. */
      readonly waitMs: number;
    }
  /** It can't be served in time any more, or not at all. */
  | { readonly kind: 'hopeless'; readonly error: Error };

/** Told once how a call has left the queue. Called in the midst of the queue's work: it must not call the queue. */
export interface QueueCallbacks<Slot> {
  /** The slot is the call's from now on. */
  started(slot: Slot): void;
  /**
   * With ERR_AI_SATURATED (full, or no quota in time: `retryAfterMs` is the true one), ERR_AI_ABORTED (its signal),
   * ERR_AI_DEADLINE (the deadline passed), or the error with which the call called itself hopeless.
   */
  failed(error: Error): void;
}

/** A call as the wait queue sees it. */
export interface QueuedCall<Slot> {
  /**
   * Calls with the same key can use exactly the same resources: they form one pool. A key must not come to mean
   * other resources while calls wait under it (after a reload, use other keys).
   */
  readonly poolKey: string;
  readonly resources: readonly Resource[];
  readonly priority: Priority;
  readonly tenant: string;
  readonly promptTokens: number;
  /** `max_tokens`, or the expected output. */
  readonly outputTokens: number;
  /** Since when it has waited, on the scale of `performance.now()`; absent for now. It may come back to the queue. */
  readonly waitingSince?: number;
  /** On the scale of `performance.now()`; Infinity for none. */
  readonly deadlineAt: number;
  /** The least the service is predicted to take, in milliseconds: a call is shed when only less is left. */
  readonly serviceMs: number;
  /** The call's own signal: it gets one listener while the call waits. */
  readonly signal?: CallSignal;
  /** Tries to start on a resource that isn't held. Synchronous; must not throw. */
  tryStart(isHeld: (resource: Resource) => boolean): StartResult<Slot>;
}
