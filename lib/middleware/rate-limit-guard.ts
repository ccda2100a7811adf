import type { Request, RequestHandler, Response } from 'express';
import { type Balancer, REPORT_STORE_STATE, SHARED_STORE } from '../balancer/balancer';
import type { CallGate } from '../call/call-hooks';
import { configError } from '../config/config-errors';
import { type AiBalancerError, retryAfterHeader } from '../errors';
import { TenantLimits } from '../tenant/limits';
import { type Counters, memoryCounters } from '../tenant/limits-counter';
import { redisCounters } from '../tenant/limits-redis';
import { lineOver } from '../tenant/limits-redis-line';
import { GuardedRequest } from './guarded-request';
import { checkGuardOptions, type RateLimitGuardOptions } from './rate-limit-guard-options';
import { type RequestState, requestState } from './request-ai';

export type { RateLimitGuardOptions } from './rate-limit-guard-options';

/** OpenAI's clients ignore a longer Retry-After and come back at once. */
const LONGEST_CLIENT_WAIT_MS = 60_000;

/** The guards behind the handlers that rateLimitGuard() has made. */
const guards = new WeakMap<RequestHandler, Guard>();

/**
 * Stands at the door, before the handler and before a body is parsed: 429 ERR_AI_TENANT_LIMIT over the tenant's limits,
 * 503 ERR_AI_SATURATED when the house is full for the request's priority. Requests are counted here; tokens and dollars
 * let in while anything is left and are charged by the calls.
 *
 * @example app.use('/ai', rateLimitGuard(balancer, { tenant: (req) => req.user?.id, rpm: 60, usdPerDay: 5 }))
 *
 * @throws ERR_AI_CONFIG that lists every fault of the options.
 */
export function rateLimitGuard(balancer: Balancer, options: RateLimitGuardOptions = {}): RequestHandler {
  const guard = new Guard(balancer, options);
  const handler: RequestHandler = function rateLimitGuardMiddleware(req, res, next) {
    // Express 4 does not catch a rejection.
    guard.check(req, res).then((refused) => {
      if (!refused) next();
      else if (res.headersSent) next(refused);
      else sendRefusal(res, refused);
    }, next);
  };
  guards.set(handler, guard);
  return handler;
}

/** The same guard at the first `req.ai` call: a request that never calls AI is never counted or refused. */
export function guardCalls(
  balancer: Balancer,
  options: RateLimitGuardOptions | RequestHandler,
): RequestHandler {
  const guard = typeof options === 'function' ? guardOf(balancer, options) : new Guard(balancer, options);
  return function rateLimitGuardMiddleware(req, res, next) {
    guard.guardedRequest(req, res);
    next();
  };
}

class Guard {
  readonly balancer: Balancer;
  readonly #options: RateLimitGuardOptions & { readonly name: string };
  readonly #limits: TenantLimits;
  readonly #guardedRequests = new WeakMap<RequestState, GuardedRequest>();

  constructor(balancer: Balancer, options: RateLimitGuardOptions) {
    this.balancer = balancer;
    this.#options = checkGuardOptions(balancer, options);
    this.#limits = new TenantLimits(this.#options, countersOf(balancer, this.#options));
  }

  async check(req: Request, res: Response): Promise<AiBalancerError | undefined> {
    return this.guardedRequest(req, res).check();
  }

  guardedRequest(req: Request, res: Response): GuardedRequest {
    const state = requestState(req, this.balancer);
    const known = this.#guardedRequests.get(state);
    if (known) return known;
    const guarded = new GuardedRequest({ req, res, state, options: this.#options, limits: this.#limits });
    this.#guardedRequests.set(state, guarded);
    state.beforeCall.push(guarded.identify);
    state.hooks = chainHooks(state.hooks, guarded);
    return guarded;
  }
}

/** The guard's own Redis comes first, then the cluster's; without either each process counts for itself. */
function countersOf(
  balancer: Balancer,
  { redis, name }: Pick<RateLimitGuardOptions, 'redis'> & { readonly name: string },
): Counters {
  const store = balancer[SHARED_STORE];
  const line = redis ? lineOver(redis) : store;
  if (line === undefined) return memoryCounters();
  const prefix = redis || !store ? 'ai-balancer' : store.prefix;
  return redisCounters({
    line,
    prefix: `${prefix}:guard:${name}`,
    onOutage: (isDown, error) => balancer[REPORT_STORE_STATE](name, isDown, error),
  });
}

function guardOf(balancer: Balancer, handler: RequestHandler): Guard {
  const guard = guards.get(handler);
  if (guard?.balancer === balancer) return guard;
  throw configError([
    {
      path: ['guard'],
      expected: 'options, or what rateLimitGuard() has made for this balancer',
      got: guard ? "another balancer's guard" : 'another function',
    },
  ]);
}

/** Guards stand one behind the other: a call must pass all, and is charged by each that let it in. */
function chainHooks(first: CallGate | undefined, second: CallGate): CallGate {
  return {
    async admit(call) {
      await first?.admit?.(call);
      await second.admit?.(call);
    },
    charge(call, route) {
      first?.charge?.(call, route);
      second.charge?.(call, route);
    },
  };
}

function sendRefusal(res: Response, refused: AiBalancerError): void {
  const { retryAfterMs = 0 } = refused;
  res.set(retryAfterHeader(refused.retryAfterMs) ?? {});
  if (retryAfterMs > LONGEST_CLIENT_WAIT_MS) res.set('x-should-retry', 'false');
  res.status(refused.status).json(refused.toBody());
}
