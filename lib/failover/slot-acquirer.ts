import { type Call, mostOutput, startBy } from '../call/call';
import type { Endpoint, EndpointSlot } from '../endpoint/endpoint';
import { AiBalancerError } from '../errors';
import { ruleFor } from '../failure/detail';
import type { StartResult } from '../queue/queued-call';
import { density } from '../queue/value-density';
import { estimateQuotaCost, type Quota } from '../quota/quota';
import { leastServiceMs } from '../routing/availability';
import { optionsOf, type Plan } from '../routing/plan';
import type { Pick as RouterPick } from '../routing/router';
import { abortedError } from './backoff';
import { allFailed, unavailable } from './call-errors';
import { currentPlan, type ExecutorParts, newProgress, type Progress } from './call-state';
import type { HedgePolicy } from './hedge';
import { WaitPools } from './wait-pools';
import { type Caller, type Entrance, Newcomer, WaitingCall, type WaitTerms } from './waiting-call';

/** Moving to an endpoint that has failed less than this lately costs no retry budget. */
const HEALTHY_SHARE = 0.1;

/** Finds a place for the next attempt of a call: now, or by waiting in the queue. */
export class Acquirer {
  readonly #parts: Pick<ExecutorParts, 'routes' | 'queue' | 'retryBudget'>;
  readonly #pools = new WaitPools();

  constructor(parts: Pick<ExecutorParts, 'routes' | 'queue' | 'retryBudget'>) {
    this.#parts = parts;
  }

  /** Lets a call in: at once, or through the queue. */
  first<C extends Caller>(caller: C, entrance: Entrance<C>): void {
    const progress = newProgress(caller.call);
    let lease: EndpointSlot | undefined;
    try {
      lease = this.#leaseNow(progress);
      if (lease === undefined) {
        const newcomer = new Newcomer(caller, entrance, this.#termsOf(progress));
        this.#parts.queue.join(newcomer, newcomer);
        return;
      }
    } catch (error) {
      entrance.refused(caller, progress, error);
      return;
    }
    entrance.placed(caller, progress, lease);
  }

  /**
   * A place for the next attempt of a call that has been let in.
   * @throws when there is none within the call's deadline, the queue is full, or the caller left.
   */
  async acquire(progress: Progress): Promise<EndpointSlot> {
    return this.#leaseNow(progress) ?? (await this.#wait(progress));
  }

  /**
   * A place whose quota stands. Where many processes share it, its ledger may have to be asked, and another process may
   * have been faster: then the call looks for another place.
   * @throws as `acquire()` does.
   */
  async secured(progress: Progress, given: EndpointSlot): Promise<EndpointSlot> {
    for (let lease = given; ; lease = await this.acquire(progress)) {
      if (lease.isConfirmed || (await lease.confirm())) return lease;
    }
  }

  /** A place for a second attempt of a call whose first is still under way; undefined where there is none to spare. */
  hedge(progress: Progress, first: Endpoint, policy: HedgePolicy): EndpointSlot | undefined {
    const { call, tried } = progress;
    const routes = this.#parts.routes();
    const plan = currentPlan(progress, routes);
    const pick = routes.router.pick(plan, {
      now: performance.now(),
      excluded: (endpoint) => endpoint === first || tried.has(endpoint.name) || !policy.mayGoTo(endpoint),
    });
    if (pick.kind !== 'picked') return undefined;
    const { endpoint, charge } = pick.option;
    if (this.#mustWait(call, endpoint) || !policy.tryTake(plan)) return undefined;
    const lease = endpoint.acquireSlot(call, charge, performance.now());
    if (lease.isConfirmed) return lease;
    // A hedge is for speed: it is not waited for.
    lease.abort(false);
    return undefined;
  }

  /** Undefined where the call must wait. */
  #leaseNow(progress: Progress): EndpointSlot | undefined {
    const { call } = progress;
    if (call.signal.aborted) throw abortedError();
    const pick = this.#pick(progress);
    if (pick.kind === 'wait') return undefined;
    if (pick.kind !== 'picked') throw this.#nothing(progress, pick);
    return this.#mustWait(call, pick.option.endpoint) ? undefined : this.#lease(progress, pick);
  }

  /** Whether one in the queue comes first, although the endpoint has room. */
  #mustWait(call: Call, endpoint: Endpoint): boolean {
    const { priority, tenant = '' } = call.context;
    const weight = density(priority, call.promptTokens, mostOutput(call));
    return this.#parts.queue.mustWait(weight, endpoint.quota, { priority, tenant });
  }

  async #wait(progress: Progress): Promise<EndpointSlot> {
    const waiting = new WaitingCall(progress, this.#termsOf(progress), progress);
    try {
      return await this.#parts.queue.enter(waiting);
    } finally {
      waiting.left();
    }
  }

  #termsOf(progress: Progress): WaitTerms {
    const plan = currentPlan(progress, this.#parts.routes());
    const pool = this.#pools.of(plan, progress.generation);
    return { pool, serviceMs: leastOf(plan, performance.now()), tryStart: this.#tryStart };
  }

  readonly #tryStart = (progress: Progress, isHeld: (quota: Quota) => boolean): StartResult<EndpointSlot> => {
    try {
      const pick = this.#pick(progress, isHeld);
      if (pick.kind === 'wait') {
        pick.on?.prefetch(estimateQuotaCost(progress.call).max, performance.now());
        return { kind: 'waiting', on: pick.on, waitMs: pick.waitMs };
      }
      if (pick.kind === 'picked') return { kind: 'started', slot: this.#lease(progress, pick) };
      return { kind: 'hopeless', error: this.#nothing(progress, pick) };
    } catch (error) {
      return { kind: 'hopeless', error: error as Error };
    }
  };

  /** The soonest time at which such a call could start, in milliseconds; undefined where it is now or not known. */
  soonestMs(progress: Progress): number | undefined {
    const routes = this.#parts.routes();
    const pick = routes.router.pick(currentPlan(progress, routes), { now: performance.now(), peek: true });
    if (pick.kind === 'picked') return undefined;
    const ms = pick.kind === 'wait' ? pick.waitMs : pick.retryAfterMs;
    return Number.isFinite(ms) ? ms : undefined;
  }

  /**
   * Those that have not failed this call first; where none of them is left, or one that failed it may be asked again
   * sooner, those that may be asked again.
   */
  #pick(progress: Progress, isHeld?: (quota: Quota) => boolean): RouterPick {
    const { tried } = progress;
    const routes = this.#parts.routes();
    const plan = currentPlan(progress, routes);
    const options = {
      now: performance.now(),
      triedProviders: new Set([...tried.values()].map(({ provider }) => provider)),
      ...(isHeld ? { isHeld } : {}),
    };
    const pick = (excluded: (endpoint: Endpoint) => boolean): RouterPick =>
      routes.router.pick(plan, { ...options, excluded });
    const untried = pick(({ name }) => tried.has(name));
    if (tried.size === 0 || untried.kind === 'picked') return untried;
    const again = pick(({ name }) => !mayAskAgain(progress, name, progress.backedOff));
    const isSooner =
      again.kind === 'picked'
        ? untried.kind !== 'wait' || !this.#parts.retryBudget.isSpent
        : again.kind === 'wait' && again.waitMs < waitOf(untried);
    if (isSooner) return again;
    if (untried.kind === 'wait') return untried;
    return again.kind === 'wait' ? again : pick(({ name }) => !mayAskAgain(progress, name, true));
  }

  #lease({ call, trail, tried }: Progress, pick: RouterPick & { kind: 'picked' }): EndpointSlot {
    const { endpoint, charge } = pick.option;
    const now = performance.now();
    const retry = [...tried.values()].some(({ detail }) => ruleFor(detail).otherEndpoint === 'budgeted');
    const sick = tried.has(endpoint.name) || endpoint.failureRate.value(now) >= HEALTHY_SHARE;
    if (retry && sick && !this.#parts.retryBudget.tryTake()) {
      throw allFailed(trail, undefined, 'the retry budget is spent');
    }
    trail.why = pick.why;
    return endpoint.acquireSlot(call, charge, now);
  }

  #nothing({ call, trail, tried }: Progress, pick: RouterPick & { kind: 'full' | 'down' }): AiBalancerError {
    if (tried.size > 0) return allFailed(trail, pick.retryAfterMs);
    if (pick.kind === 'down') return unavailable(trail, pick.retryAfterMs);
    const ms = Math.max(0, Math.round(startBy(call) - performance.now()));
    return new AiBalancerError('ERR_AI_SATURATED', `no quota is free within the ${ms} ms that are left`, {
      status: 503,
      retryable: true,
      ...(pick.retryAfterMs === undefined ? {} : { retryAfterMs: pick.retryAfterMs }),
    });
  }
}

/** @param hasWaited Long enough for what is asked again with backoff. */
function mayAskAgain({ tried, left }: Progress, name: string, hasWaited: boolean): boolean {
  if (left.has(name)) return false;
  const failed = tried.get(name);
  if (failed === undefined) return true;
  const { sameEndpoint } = ruleFor(failed.detail);
  return sameEndpoint === 'after-retry-after' || (sameEndpoint === 'with-backoff' && hasWaited);
}

function waitOf(pick: RouterPick): number {
  return pick.kind === 'wait' ? pick.waitMs : Infinity;
}

/** The least that any endpoint of the plan can take. */
function leastOf(plan: Plan, now: number): number {
  const least = Math.min(...optionsOf(plan).map(({ endpoint }) => leastServiceMs(plan.call, endpoint, now)));
  return Number.isFinite(least) ? least : 0;
}
