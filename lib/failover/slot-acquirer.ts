import { type Call, isOutputLearnt, maxOutputOf } from '../call/call';
import type { Endpoint, EndpointSlot } from '../endpoint/endpoint';
import { AiBalancerError } from '../errors';
import type { StartResult } from '../queue/queued-call';
import { density } from '../queue/value-density';
import { estimateQuotaCost } from '../quota/cost';
import type { Quota } from '../quota/quota';
import { minServiceMs, obstacleOf } from '../routing/availability';
import { type Option, optionsOf, type Plan, restrictedPlan } from '../routing/plan';
import { abortedError, allFailedError, callerError, unavailableError } from './call-errors';
import type { Caller } from './call-result';
import { type CallState, currentPlan, type ExecutorParts, newCallState, recordVerdicts } from './call-state';
import { NextEndpoint, type NextStep } from './next-endpoint';
import { sleep } from './until-aborted';
import { type AdmissionHandlers, NewCall, WaitingCall, type WaitOptions, WaitPools } from './waiting-call';

/**
 * After this time at the latest, in milliseconds, a call in backoff checks whether another endpoint has become
 * available.
 */
const MAX_BACKOFF_SLEEP_MS = 1_000;

/** Acquires the attempt slot for a call's next attempt: now, or by waiting in the queue. */
export class SlotAcquirer {
  readonly #parts: Pick<ExecutorParts, 'routes' | 'queue' | 'retryBudget' | 'hedge'>;
  readonly #next: NextEndpoint;
  readonly #pools = new WaitPools(() => this.#parts.routes().generation);

  constructor(parts: Pick<ExecutorParts, 'routes' | 'queue' | 'retryBudget' | 'hedge'>) {
    this.#parts = parts;
    this.#next = new NextEndpoint(parts);
  }

  /** Acquires the first slot of a call, now or through the queue, and calls the handlers. */
  admit(caller: Caller, handlers: AdmissionHandlers): void {
    const state = newCallState(caller.call);
    let slot: EndpointSlot | undefined;
    try {
      slot = this.#startNow(state, this.#nextStep(state));
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
   * Resolves to a slot for another attempt, or to `given`, once its quota is confirmed. If processes share a quota,
   * Redis may have to confirm it. If another process has taken the quota first, another slot is acquired.
   * @throws if no slot is available before the call's deadline, the queue is full, or the caller left.
   */
  async acquire(state: CallState, given?: EndpointSlot): Promise<EndpointSlot> {
    for (let slot = given; ; slot = undefined) {
      slot ??= await this.#acquireUnconfirmed(state);
      if (slot.isConfirmed || (await slot.confirm())) return slot;
    }
  }

  async #acquireUnconfirmed(state: CallState): Promise<EndpointSlot> {
    for (;;) {
      const step = this.#nextStep(state);
      if (step.kind !== 'back-off') return this.#startNow(state, step) ?? (await this.#waitForSlot(state));
      await sleep(Math.min(step.ms, MAX_BACKOFF_SLEEP_MS), state.call.signal);
    }
  }

  /**
   * Acquires a slot for a hedge beside a running attempt. Undefined if no endpoint has capacity to spare, a reload has
   * removed the model, or a custom strategy throws.
   */
  acquireHedge(state: CallState, first: Endpoint): EndpointSlot | undefined {
    const { call, failedAt } = state;
    const policy = this.#parts.hedge;
    try {
      const routes = this.#parts.routes();
      const plan = currentPlan(state, routes);
      const pick = routes.router.pick(plan, {
        now: performance.now(),
        excluded: (endpoint) =>
          endpoint === first || failedAt.has(endpoint.name) || !policy.hasSpareQuota(endpoint),
      });
      if (pick.kind !== 'picked') return undefined;
      if (this.#mustWait(call, pick.option) || !policy.tryTake(plan, first)) return undefined;
      const slot = pick.option.endpoint.acquireSlot(call, pick.option.quotaCost, performance.now());
      if (slot.isConfirmed) return slot;
      // A hedge is for speed: it doesn't wait for Redis.
      slot.abort(false);
    } catch {
      // Ignored on purpose: without a hedge, the running attempt goes on alone.
    }
    return undefined;
  }

  /**
   * Acquires a slot for a probe beside the first attempt of a call; undefined if no endpoint may be probed. Endpoints
   * of a later tier or fallback model than the first attempt's are not probed, because a probe's answer may be used.
   */
  acquireProbe(state: CallState, first: Endpoint): EndpointSlot | undefined {
    const { call } = state;
    const policy = this.#parts.hedge;
    if (!policy.mayProbe(call)) return undefined;
    try {
      const plan = currentPlan(state, this.#parts.routes());
      const now = performance.now();
      for (const stage of plan.stages) {
        const option = stage.find(
          (candidate) =>
            candidate.endpoint.breaker.canProbeBeside(now) &&
            obstacleOf(plan, candidate, { now, probing: 'is-probe' }) === undefined,
        );
        if (option) {
          if (this.#mustWait(call, option)) return undefined;
          policy.takeProbe();
          return option.endpoint.acquireSlot(call, option.quotaCost, now);
        }
        if (stage.some(({ endpoint }) => endpoint === first)) return undefined;
      }
    } catch {
      // Ignored on purpose: the call goes on without a probe.
    }
    return undefined;
  }

  /** @throws if nothing is left to try, or the caller left. */
  #nextStep(state: CallState): Exclude<NextStep, { kind: 'give-up' }> {
    const { signal } = state.call;
    if (signal.aborted) throw abortedError(signal);
    const step = this.#next.of(state);
    if (step.kind === 'give-up') throw step.error;
    return step;
  }

  /** Takes a slot if the call can start now; undefined if it must wait in the queue. */
  #startNow(state: CallState, step: NextStep): EndpointSlot | undefined {
    if (step.kind !== 'start' || this.#mustWait(state.call, step.pick.option)) return undefined;
    return this.#take(state, step);
  }

  /** Whether the call must let queued calls go first, although the endpoint has capacity. */
  #mustWait(call: Call, option: Option): boolean {
    const { priority, tenant = '' } = call.context;
    const weight = density(priority, call.promptTokens, queueOutput(call, [option]));
    return this.#parts.queue.mustWait(weight, option.endpoint.quota, { priority, tenant });
  }

  async #waitForSlot(state: CallState): Promise<EndpointSlot> {
    const waiting = new WaitingCall(state.call, this.#waitOptions(state), state);
    try {
      return await this.#parts.queue.waitForSlot(waiting);
    } catch (error) {
      throw this.explained(state, error);
    } finally {
      waiting.finishWaiting();
    }
  }

  /**
   * Replaces the queue's ERR_AI_SATURATED with a more specific error: the queue doesn't know of the call's failures or
   * of open breakers. Returns other errors unchanged.
   */
  explained(state: CallState, error: unknown): unknown {
    if (!AiBalancerError.isInstance(error) || error.code !== 'ERR_AI_SATURATED') return error;
    try {
      const retryAfterMs = error.retryAfterMs ?? this.#next.soonestStartMs(state);
      if (state.refusal) return callerError(state.refusal.detail, state.recorder);
      if (state.failedAt.size > 0) return allFailedError(state.recorder, retryAfterMs, error.message);
      const routes = this.#parts.routes();
      const plan = currentPlan(state, routes);
      recordVerdicts(state, routes, plan);
      const endpoints = optionsOf(plan).map(({ endpoint }) => endpoint);
      const isDown = endpoints.every(({ breaker, weight }) => !breaker.canEnter || weight === 0);
      return isDown ? unavailableError(state.recorder, this.#next.soonestStartMs(state), endpoints) : error;
    } catch {
      return error;
    }
  }

  #waitOptions(state: CallState): WaitOptions {
    const plan = currentPlan(state, this.#parts.routes());
    // Endpoints that this call will not try again are left out, so that it doesn't hold up the calls that wait for
    // them.
    const isUsable = ({ name }: Endpoint): boolean => state.failedAt.get(name)?.againAt !== Infinity;
    const pool = this.#pools.poolFor(
      state.failedAt.size === 0 ? plan : restrictedPlan(plan, isUsable),
      isTenantShort(plan) ? plan.call.context.tenant : undefined,
    );
    return {
      pool,
      serviceMs: minPlanServiceMs(plan, performance.now()),
      outputTokens: queueOutput(state.call, optionsOf(plan)),
      tryStart: this.#tryStart,
    };
  }

  readonly #tryStart = (state: CallState, isHeld: (quota: Quota) => boolean): StartResult<EndpointSlot> => {
    try {
      const step = this.#next.of(state, isHeld);
      if (step.kind === 'give-up') return { kind: 'hopeless', error: step.error };
      if (step.kind === 'start') return { kind: 'started', slot: this.#take(state, step) };
      if (step.kind === 'back-off') return { kind: 'waiting', waitMs: step.ms };
      const { on, waitMs } = step;
      on?.prefetch(estimateQuotaCost(state.call).max, performance.now());
      return { kind: 'waiting', ...(on === undefined ? {} : { on }), waitMs };
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

  #take({ call, recorder }: CallState, { pick, isBudgeted }: NextStep & { kind: 'start' }): EndpointSlot {
    const { endpoint, quotaCost } = pick.option;
    if (isBudgeted) this.#parts.retryBudget.take();
    recorder.why = pick.why;
    return endpoint.acquireSlot(call, quotaCost, performance.now());
  }
}

/** Whether the tenant's budget is too low for the call at every endpoint. */
function isTenantShort(plan: Plan): boolean {
  return optionsOf(plan).every(
    ({ endpoint }) => endpoint.budgets?.isTenantShort(plan.call, endpoint.settings.price) === true,
  );
}

/**
 * The output tokens that the wait queue assumes for a call. If they are only learnt from other calls, they are at most
 * what the call would reserve.
 */
function queueOutput(call: Call, options: readonly Option[]): number {
  const output = maxOutputOf(call);
  if (!isOutputLearnt(call) || options.length === 0) return output;
  return Math.min(output, Math.max(...options.map(({ quotaCost }) => quotaCost.output)));
}

/** The shortest time in which an endpoint of the plan could serve the call, in milliseconds; 0 if there is none. */
function minPlanServiceMs(plan: Plan, now: number): number {
  const least = Math.min(...optionsOf(plan).map(({ endpoint }) => minServiceMs(plan.call, endpoint, now)));
  return Number.isFinite(least) ? least : 0;
}
