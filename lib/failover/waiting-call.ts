import { AsyncResource } from 'node:async_hooks';
import { type Call, latestStartAt } from '../call/call';
import type { CallSignal } from '../call/call-signal';
import type { Priority } from '../call/context';
import type { Endpoint, EndpointSlot } from '../endpoint/endpoint';
import { estimateBodyBytes } from '../queue/body-size';
import type { QueueCallbacks, QueuedCall, Resource, StartResult } from '../queue/queued-call';
import type { Quota } from '../quota/quota';
import { closedMs } from '../routing/availability';
import { optionsOf, type Plan, poolKey } from '../routing/plan';
import type { Caller } from './call-result';
import { type CallState, newCallState } from './call-state';

/** Tries to start a call at an endpoint whose quota is not held for other calls. */
export type TryStart = (state: CallState, isHeld: (quota: Quota) => boolean) => StartResult<EndpointSlot>;

/** What the wait queue needs to know of a call. */
export interface WaitOptions {
  readonly pool: WaitPool;
  /** The shortest time in which an endpoint could serve the call, in milliseconds. */
  readonly serviceMs: number;
  /** The output tokens that the call is assumed to need. */
  readonly outputTokens: number;
  readonly tryStart: TryStart;
}

/**
 * A call in the wait queue. Thousands may wait, so it holds little: its state and plan are created when it is first
 * tried, and only calls at the head of the queue are tried.
 */
export class WaitingCall extends AsyncResource implements QueuedCall<EndpointSlot> {
  readonly call: Call;
  readonly serviceMs: number;
  readonly outputTokens: number;
  #state: CallState | undefined;
  readonly #pool: WaitPool;
  readonly #tryStart: TryStart;
  readonly #since = performance.now();

  constructor(call: Call, { pool, serviceMs, outputTokens, tryStart }: WaitOptions, state?: CallState) {
    super('AI_CALL_WAITING');
    this.call = call;
    this.serviceMs = serviceMs;
    this.outputTokens = outputTokens;
    this.#state = state;
    this.#pool = pool;
    this.#tryStart = tryStart;
  }

  get state(): CallState {
    return (this.#state ??= newCallState(this.call));
  }

  get poolKey(): string {
    return this.#pool.key;
  }

  get resources(): readonly Quota[] {
    return this.#pool.resources;
  }

  get closedMs(): WaitPool['closedMs'] {
    return this.#pool.closedMs;
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

  get bodyBytes(): number {
    const { body, responses } = this.call;
    const bytes = estimateBodyBytes(body);
    // The translation shares most of its strings with the Responses request.
    return responses === undefined ? bytes : Math.max(bytes, estimateBodyBytes(responses.body));
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

  /** Adds the time waited to the route report, and returns the call's state. */
  finishWaiting(): CallState {
    this.state.recorder.waitMs += performance.now() - this.#since;
    return this.state;
  }
}

/**
 * Handles a call once it is admitted or refused. All calls share one object, so that a waiting call has no closures of
 * its own.
 */
export interface AdmissionHandlers {
  /** Called when the call has its first slot. */
  admitted(caller: Caller, state: CallState, slot: EndpointSlot): void;
  /** Called when the call gets no slot. */
  refused(caller: Caller, state: CallState, error: unknown): void;
}

/** A call that waits for its first slot. It notifies handlers, so that no suspended async function is kept for it. */
export class NewCall extends WaitingCall implements QueueCallbacks<EndpointSlot> {
  readonly #caller: Caller;
  readonly #handlers: AdmissionHandlers;

  constructor(caller: Caller, handlers: AdmissionHandlers, options: WaitOptions) {
    super(caller.call, options);
    this.#caller = caller;
    this.#handlers = handlers;
  }

  started(slot: EndpointSlot): void {
    const state = this.finishWaiting();
    this.#continue(() => this.#handlers.admitted(this.#caller, state, slot));
  }

  failed(error: Error): void {
    const state = this.finishWaiting();
    this.#continue(() => this.#handlers.refused(this.#caller, state, error));
  }

  /**
   * Runs the step after the queue's own work, in the caller's async context rather than that of the call that freed
   * capacity.
   */
  #continue(step: () => void): void {
    this.runInAsyncScope(() => void Promise.resolve().then(step));
  }
}

/** The wait queue's pool for calls that may use the same endpoints. */
export interface WaitPool {
  readonly key: string;
  readonly resources: readonly Quota[];
  /** Milliseconds until an endpoint with this quota may take any call; see {@link QueuedCall}. */
  readonly closedMs: (quota: Resource, now: number) => number;
}

/**
 * The most pool objects that are kept; beyond that, all are dropped and created again. Calls still share a pool,
 * because the queue compares keys.
 */
const MAX_POOLS = 1_000;

/** Keeps one pool object for all calls whose plans have the same endpoints, because thousands may wait. */
export class WaitPools {
  readonly #byKey = new Map<string, WaitPool>();
  readonly #currentGeneration: () => number;
  #generation = -1;

  /**
   * @param currentGeneration Returns the number of the current configuration. After a reload the same names may stand
   *   for other endpoints.
   */
  constructor(currentGeneration: () => number) {
    this.#currentGeneration = currentGeneration;
  }

  /**
   * @param tenant Set if the call waits for its own tenant's budget. Such a call doesn't compete for the endpoints and
   *   must not hold up other tenants' calls.
   */
  poolFor(plan: Plan, tenant?: string): WaitPool {
    const generation = this.#currentGeneration();
    if (generation !== this.#generation || this.#byKey.size >= MAX_POOLS) this.#byKey.clear();
    this.#generation = generation;
    const names = tenant === undefined ? poolKey(plan) : `${poolKey(plan)}|tenant ${tenant}`;
    const known = this.#byKey.get(names);
    if (known) return known;
    const byQuota = new Map<Resource, Endpoint[]>();
    for (const { endpoint } of optionsOf(plan)) {
      const sharing = byQuota.get(endpoint.quota);
      if (sharing) sharing.push(endpoint);
      else byQuota.set(endpoint.quota, [endpoint]);
    }
    const closedMsOf = (quota: Resource, now: number): number => {
      // After a reload a waiting call gets a new plan when it is tried, perhaps with other endpoints.
      if (generation !== this.#currentGeneration()) return 0;
      let least = Infinity;
      for (const endpoint of byQuota.get(quota) ?? []) least = Math.min(least, closedMs(endpoint, now));
      return least;
    };
    const resources = tenant === undefined ? ([...byQuota.keys()] as Quota[]) : [];
    const pool = { key: `${generation}|${names}`, resources, closedMs: closedMsOf };
    this.#byKey.set(names, pool);
    return pool;
  }
}
