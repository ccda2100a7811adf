import { type Call, isOutputLearnt, latestStartAt, maxOutputOf } from '../call/call';
import type { Endpoint, EndpointSlot } from '../endpoint/endpoint';
import { AiBalancerError } from '../errors';
import { ruleFor } from '../failure/detail';
import type { StartResult } from '../queue/queued-call';
import { density } from '../queue/value-density';
import { estimateQuotaCost } from '../quota/cost';
import type { Quota } from '../quota/quota';
import { minServiceMs } from '../routing/availability';
import { type Option, optionsOf, type Plan } from '../routing/plan';
import type { RouterPick } from '../routing/router';
import { abortedError } from './backoff';
import { allFailedError, unavailableError } from './call-errors';
import { type CallState, currentPlan, type ExecutorParts, newCallState } from './call-state';
import type { HedgePolicy } from './hedge';
import {
  type AdmissionHandlers,
  type Caller,
  NewCall,
  WaitingCall,
  type WaitOptions,
  WaitPools,
} from './waiting-call';

/** Moving to an endpoint with a lower recent failure rate than this takes nothing from the retry budget. */
const HEALTHY_FAILURE_RATE = 0.1;

/** Acquires the attempt slot for a call's next attempt: now, or by waiting in the queue. */
export class SlotAcquirer {
  readonly #parts: Pick<ExecutorParts, 'routes' | 'queue' | 'retryBudget'>;
  readonly #pools = new WaitPools();

  constructor(parts: Pick<ExecutorParts, 'routes' | 'queue' | 'retryBudget'>) {
    this.#parts = parts;
  }

  /** Acquires the first slot of a call, now or through the queue, and calls the handlers. */
  admit<C extends Caller>(caller: C, handlers: AdmissionHandlers<C>): void {
    const state = newCallState(caller.call);
    let slot: EndpointSlot | undefined;
    try {
      slot = this.#acquireNow(state);
      if (slot === undefined) {
        const newCall = new NewCall(caller, handlers, this.#waitOptions(state));
        this.#parts.queue.enqueue(newCall, newCall);
        return;
      }
    } catch (error) {
      handlers.refused(caller, state, error);
      return;
    }
    handlers.admitted(caller, state, slot);
  }

  /**
   * A slot for another attempt.
   * @throws where none is available before the call's deadline, the queue is full, or the caller left.
   */
  async acquire(state: CallState): Promise<EndpointSlot> {
    return this.#acquireNow(state) ?? (await this.#waitForSlot(state));
  }

  /**
   * A slot whose quota is confirmed. Where processes share a quota, Redis may have to be asked, and another process may
   * have taken it first: then another slot is acquired.
   * @throws as `acquire()` does.
   */
  async confirmed(state: CallState, given: EndpointSlot): Promise<EndpointSlot> {
    for (let slot = given; ; slot = await this.acquire(state)) {
      if (slot.isConfirmed || (await slot.confirm())) return slot;
    }
  }

  /** A slot for a hedge beside a running attempt; undefined where no endpoint has capacity to spare. */
  acquireHedge(state: CallState, first: Endpoint, policy: HedgePolicy): EndpointSlot | undefined {
    const { call, failedAt } = state;
    const routes = this.#parts.routes();
    const plan = currentPlan(state, routes);
    const pick = routes.router.pick(plan, {
      now: performance.now(),
      excluded: (endpoint) =>
        endpoint === first || failedAt.has(endpoint.name) || !policy.hasSpareQuota(endpoint),
    });
    if (pick.kind !== 'picked') return undefined;
    const { endpoint, quotaCost } = pick.option;
    if (this.#mustWait(call, pick.option) || !policy.tryTake(plan)) return undefined;
    const slot = endpoint.acquireSlot(call, quotaCost, performance.now());
    if (slot.isConfirmed) return slot;
    // A hedge is for speed: it doesn't wait for Redis.
    slot.abort(false);
    return undefined;
  }

  /** Undefined where the call must wait. */
  #acquireNow(state: CallState): EndpointSlot | undefined {
    const { call } = state;
    if (call.signal.aborted) throw abortedError();
    const pick = this.#pick(state);
    if (pick.kind === 'wait') return undefined;
    if (pick.kind !== 'picked') throw this.#noCapacityError(state, pick);
    return this.#mustWait(call, pick.option) ? undefined : this.#take(state, pick);
  }

  /** Whether a queued call comes first although the endpoint has capacity. */
  #mustWait(call: Call, option: Option): boolean {
    const { priority, tenant = '' } = call.context;
    const weight = density(priority, call.promptTokens, queueOutput(call, [option]));
    return this.#parts.queue.mustWait(weight, option.endpoint.quota, { priority, tenant });
  }

  async #waitForSlot(state: CallState): Promise<EndpointSlot> {
    const waiting = new WaitingCall(state, this.#waitOptions(state), state);
    try {
      return await this.#parts.queue.waitForSlot(waiting);
    } finally {
      waiting.finishWaiting();
    }
  }

  #waitOptions(state: CallState): WaitOptions {
    const plan = currentPlan(state, this.#parts.routes());
    const pool = this.#pools.poolFor(plan, state.generation);
    return {
      pool,
      serviceMs: minPlanServiceMs(plan, performance.now()),
      outputTokens: queueOutput(state.call, optionsOf(plan)),
      tryStart: this.#tryStart,
    };
  }

  readonly #tryStart = (state: CallState, isHeld: (quota: Quota) => boolean): StartResult<EndpointSlot> => {
    try {
      const pick = this.#pick(state, isHeld);
      if (pick.kind === 'wait') {
        pick.on?.prefetch(estimateQuotaCost(state.call).max, performance.now());
        return { kind: 'waiting', on: pick.on, waitMs: pick.waitMs };
      }
      if (pick.kind === 'picked') return { kind: 'started', slot: this.#take(state, pick) };
      return { kind: 'hopeless', error: this.#noCapacityError(state, pick) };
    } catch (error) {
      return { kind: 'hopeless', error: error as Error };
    }
  };

  /** Whether an endpoint that has not failed this call could start it now. Reserves nothing. */
  canStartNow(state: CallState): boolean {
    const routes = this.#parts.routes();
    const excluded = ({ name }: Endpoint): boolean => state.failedAt.has(name);
    const options = { now: performance.now(), peek: true, excluded };
    return routes.router.pick(currentPlan(state, routes), options).kind === 'picked';
  }

  /** The soonest time at which such a call could start, in milliseconds; undefined where it is now or not known. */
  soonestStartMs(state: CallState): number | undefined {
    const routes = this.#parts.routes();
    const pick = routes.router.pick(currentPlan(state, routes), { now: performance.now(), peek: true });
    if (pick.kind === 'picked') return undefined;
    const ms = pick.kind === 'wait' ? pick.waitMs : pick.retryAfterMs;
    return Number.isFinite(ms) ? ms : undefined;
  }

  /**
   * Endpoints that have not failed this call first; where none is left, or one that failed may be asked again sooner,
   * those that may be asked again.
   */
  #pick(state: CallState, isHeld?: (quota: Quota) => boolean): RouterPick {
    const { failedAt } = state;
    const routes = this.#parts.routes();
    const plan = currentPlan(state, routes);
    const options = {
      now: performance.now(),
      triedProviders: new Set([...failedAt.values()].map(({ provider }) => provider)),
      ...(isHeld ? { isHeld } : {}),
    };
    const pick = (excluded: (endpoint: Endpoint) => boolean): RouterPick =>
      routes.router.pick(plan, { ...options, excluded });
    const untried = pick(({ name }) => failedAt.has(name));
    if (failedAt.size === 0 || untried.kind === 'picked') return untried;
    const retry = pick(({ name }) => !canRetry(state, name, state.hasBackedOff));
    const isSooner =
      retry.kind === 'picked'
        ? untried.kind !== 'wait' || !this.#parts.retryBudget.isSpent
        : retry.kind === 'wait' && retry.waitMs < waitMsOf(untried);
    if (isSooner) return retry;
    if (untried.kind === 'wait') return untried;
    return retry.kind === 'wait' ? retry : pick(({ name }) => !canRetry(state, name, true));
  }

  #take({ call, recorder, failedAt }: CallState, pick: RouterPick & { kind: 'picked' }): EndpointSlot {
    const { endpoint, quotaCost } = pick.option;
    const now = performance.now();
    const retry = [...failedAt.values()].some(({ detail }) => ruleFor(detail).otherEndpoint === 'budgeted');
    const sick = failedAt.has(endpoint.name) || endpoint.failureRate.value(now) >= HEALTHY_FAILURE_RATE;
    if (retry && sick && !this.#parts.retryBudget.tryTake()) {
      throw allFailedError(recorder, undefined, 'the retry budget is spent');
    }
    recorder.why = pick.why;
    return endpoint.acquireSlot(call, quotaCost, now);
  }

  #noCapacityError(
    { call, recorder, failedAt }: CallState,
    pick: RouterPick & { kind: 'full' | 'down' },
  ): AiBalancerError {
    if (failedAt.size > 0) return allFailedError(recorder, pick.retryAfterMs);
    if (pick.kind === 'down') return unavailableError(recorder, pick.retryAfterMs);
    const ms = Math.max(0, Math.round(latestStartAt(call) - performance.now()));
    return new AiBalancerError(
      'ERR_AI_SATURATED',
      `no endpoint has quota left for this call within ${ms.toLocaleString('en')} ms, the time left before its deadline`,
      {
        status: 503,
        retryable: true,
        ...(pick.retryAfterMs === undefined ? {} : { retryAfterMs: pick.retryAfterMs }),
      },
    );
  }
}

/** @param hasWaited Whether the backoff is over. */
function canRetry({ failedAt, brokenStreams }: CallState, name: string, hasWaited: boolean): boolean {
  if (brokenStreams.has(name)) return false;
  const failed = failedAt.get(name);
  if (failed === undefined) return true;
  const { sameEndpoint } = ruleFor(failed.detail);
  return sameEndpoint === 'after-retry-after' || (sameEndpoint === 'with-backoff' && hasWaited);
}

function waitMsOf(pick: RouterPick): number {
  return pick.kind === 'wait' ? pick.waitMs : Infinity;
}

/** The output that a call is queued with. One that is only learnt from other calls is as bounded as its reservation. */
function queueOutput(call: Call, options: readonly Option[]): number {
  const output = maxOutputOf(call);
  if (!isOutputLearnt(call) || options.length === 0) return output;
  return Math.min(output, Math.max(...options.map(({ quotaCost }) => quotaCost.output)));
}

/** The shortest time that any endpoint of the plan can take. */
function minPlanServiceMs(plan: Plan, now: number): number {
  const least = Math.min(...optionsOf(plan).map(({ endpoint }) => minServiceMs(plan.call, endpoint, now)));
  return Number.isFinite(least) ? least : 0;
}
