import type { Request, RequestHandler, Response } from 'express';
import { configError } from '../config/config-errors';
import { type CheckedGuardOptions, guardFaults, nameGuard } from '../config/middleware-options';
import type { RateLimitGuardOptions } from '../tenant/guard-options';
import { GuardedRequest } from '../tenant/guarded-request';
import { TenantLimits } from '../tenant/limits';
import { type Counters, memoryCounters } from '../tenant/limits-counter';
import { redisAccess, redisCounters } from '../tenant/limits-redis';
import type { Balancer } from './balancer';
import { checkOptions } from './check-options';
import { INTERNALS } from './internals';
import { type RequestState, requestState } from './request-ai';

/** The guards by the handlers that rateLimitGuard() has returned for them. */
const guards = new WeakMap<RequestHandler, TenantGuard>();

/** Enforces limits per tenant on the calls that Express requests make to one balancer. */
export class TenantGuard {
  readonly #balancer: Balancer;
  readonly #options: CheckedGuardOptions;
  readonly #limits: TenantLimits;
  readonly #guardedRequests = new WeakMap<RequestState, GuardedRequest>();

  /** @throws ERR_AI_CONFIG that lists every fault of the options. */
  constructor(balancer: Balancer, options: RateLimitGuardOptions) {
    checkOptions('guard', balancer, guardFaults(options));
    this.#balancer = balancer;
    this.#options = nameGuard(balancer, options);
    const { appTimeoutMs } = balancer[INTERNALS];
    this.#limits = new TenantLimits(this.#options, createCounters(balancer, this.#options), appTimeoutMs);
  }

  /**
   * Returns the guard for a middleware's option `guard`: a new one for options, or that of a handler which
   * rateLimitGuard() has returned for this balancer.
   *
   * @throws ERR_AI_CONFIG
   */
  static from(balancer: Balancer, option: RateLimitGuardOptions | RequestHandler): TenantGuard {
    if (typeof option !== 'function') return new TenantGuard(balancer, option);
    const guard = guards.get(option);
    if (guard && guard.#balancer === balancer) return guard;
    throw configError([
      {
        path: ['guard'],
        expected: 'options, or what rateLimitGuard() returned for this balancer',
        got: guard ? "another balancer's guard" : 'another function',
      },
    ]);
  }

  /** Lets {@link TenantGuard.from} find this guard by its handler. */
  setHandler(handler: RequestHandler): void {
    guards.set(handler, this);
  }

  /** Makes this guard count the calls of a request and refuse those over a limit. Adds it to a request only once. */
  guardRequest(req: Request, res: Response): GuardedRequest {
    const state = requestState(req, this.#balancer);
    const known = this.#guardedRequests.get(state);
    if (known) return known;
    const guarded = new GuardedRequest({
      req,
      res,
      state,
      options: this.#options,
      limits: this.#limits,
      appTimeoutMs: this.#balancer[INTERNALS].appTimeoutMs,
      admissionError: (priority, tenant) => this.#balancer[INTERNALS].admissionError(priority, tenant),
    });
    this.#guardedRequests.set(state, guarded);
    state.addGuard(guarded);
    return guarded;
  }
}

/** Returns counters in the guard's own Redis, else in the cluster's, else in this process. */
function createCounters(balancer: Balancer, { redis, name }: CheckedGuardOptions): Counters {
  const store = balancer[INTERNALS].sharedStore;
  const line = redis ? redisAccess(redis) : store;
  if (line === undefined) return memoryCounters;
  const prefix = redis || !store ? 'ai-balancer' : store.prefix;
  return redisCounters({
    access: line,
    prefix: `${prefix}:guard:${name}`,
    onOutage: (isDown, error) => balancer[INTERNALS].reportStoreState(name, isDown, error),
  });
}
