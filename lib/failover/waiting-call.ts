import { AsyncResource } from 'node:async_hooks';
import { type Call, latestStartAt, maxOutputOf } from '../call/call';
import type { CallSignal } from '../call/call-signal';
import type { Priority } from '../call/context';
import type { EndpointSlot } from '../endpoint/endpoint';
import type { QueueCallbacks, QueuedCall, StartResult } from '../queue/queued-call';
import type { Quota } from '../quota/quota';
import { type CallState, newCallState } from './call-state';
import type { WaitPool } from './wait-pools';

/** Tries to start a call where it isn't held back. */
export type TryStart = (state: CallState, isHeld: (quota: Quota) => boolean) => StartResult<EndpointSlot>;

/** Who brings a call. */
export interface Caller {
  readonly call: Call;
}

/** How a call waits. */
export interface WaitOptions {
  readonly pool: WaitPool;
  /** The least that an endpoint can take for it, in milliseconds. */
  readonly serviceMs: number;
  readonly tryStart: TryStart;
}

/**
 * A call in the wait queue. Thousands may wait, so that it holds little: its state, with its plan, is made when it
 * is first tried, because only those at the head of the queue are.
 */
export class WaitingCall<C extends Caller> extends AsyncResource implements QueuedCall<EndpointSlot> {
  readonly caller: C;
  readonly serviceMs: number;
  #state: CallState | undefined;
  readonly #pool: WaitPool;
  readonly #tryStart: TryStart;
  readonly #since = performance.now();

  constructor(caller: C, { pool, serviceMs, tryStart }: WaitOptions, state?: CallState) {
    super('AI_CALL_WAITING');
    this.caller = caller;
    this.serviceMs = serviceMs;
    this.#state = state;
    this.#pool = pool;
    this.#tryStart = tryStart;
  }

  get call(): Call {
    return this.caller.call;
  }

  /** What it has been through. */
  get state(): CallState {
    return (this.#state ??= newCallState(this.call));
  }

  get poolKey(): string {
    return this.#pool.key;
  }

  get resources(): readonly Quota[] {
    return this.#pool.resources;
  }

  get priority(): Priority {
    return this.call.context.priority;
  }

  get tenant(): string {
    return this.call.context.tenant ?? '';
  }

  get promptTokens(): number {
    return this.call.promptTokens;
  }

  get outputTokens(): number {
    return maxOutputOf(this.call);
  }

  get waitingSince(): number {
    return this.call.startedAt;
  }

  get deadlineAt(): number {
    return latestStartAt(this.call);
  }

  get signal(): CallSignal {
    return this.call.signal;
  }

  tryStart(isHeld: (quota: Quota) => boolean): StartResult<EndpointSlot> {
    return this.#tryStart(this.state, isHeld);
  }

  /** It waits no longer. Gives back what it has been through. */
  finishWaiting(): CallState {
    this.state.recorder.waitMs += performance.now() - this.#since;
    return this.state;
  }
}

/** What becomes of calls that have come in; the same for all, so that one that waits has no closures of its own. */
export interface AdmissionHandlers<C extends Caller> {
  /** It has its first place. */
  admitted(caller: C, state: CallState, slot: EndpointSlot): void;
  /** It gets none. */
  refused(caller: C, state: CallState, error: unknown): void;
}

/** A call that waits for its first place. Beside it there is only its caller: no frame of a function that awaits it. */
export class NewCall<C extends Caller> extends WaitingCall<C> implements QueueCallbacks<EndpointSlot> {
  readonly #handlers: AdmissionHandlers<C>;

  constructor(caller: C, handlers: AdmissionHandlers<C>, terms: WaitOptions) {
    super(caller, terms);
    this.#handlers = handlers;
  }

  started(slot: EndpointSlot): void {
    const state = this.finishWaiting();
    continueIn(this, () => this.#handlers.admitted(this.caller, state, slot));
  }

  failed(error: Error): void {
    const state = this.finishWaiting();
    continueIn(this, () => this.#handlers.refused(this.caller, state, error));
  }
}

/** Not in the midst of the queue's work, and in the async context of the caller, not of whoever made room. */
function continueIn(context: AsyncResource, step: () => void): void {
  context.runInAsyncScope(() => void Promise.resolve().then(step));
}
