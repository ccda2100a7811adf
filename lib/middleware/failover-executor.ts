import type { RequestHandler } from 'express';
import type { Balancer } from '../balancer/balancer';
import { checkOptions } from '../balancer/check-options';
import { requestState } from '../balancer/request-ai';
import type { CallOptions } from '../call/context';
import { executorFaults } from '../config/middleware-options';
import { omitUndefined } from '../util/defaults';

/** Default options for the calls of a request; a call's own options override them. Default: those of the balancer. */
export type FailoverExecutorOptions = Pick<CallOptions, 'timeoutMs' | 'fallbacks' | 'hedge'>;

/**
 * Lets `req.ai` serve calls; without this middleware they are refused. When the client disconnects before the response
 * has finished, the calls of the request are aborted.
 *
 * @example app.use(failoverExecutor(balancer, { timeoutMs: 20_000 }))
 *
 * @throws ERR_AI_CONFIG that lists every fault of the options.
 */
export function failoverExecutor(balancer: Balancer, options: FailoverExecutorOptions = {}): RequestHandler {
  checkOptions('executor', balancer, executorFaults(options));
  const defaults = omitUndefined(options);
  const hasDefaults = Object.keys(defaults).length > 0;
  return function failoverExecutorMiddleware(req, res, next) {
    const state = requestState(req, balancer);
    if (hasDefaults) state.addDefaults(defaults);
    state.bindToResponse(res);
    next();
  };
}
