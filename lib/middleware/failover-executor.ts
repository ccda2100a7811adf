import type { RequestHandler } from 'express';
import type { Balancer } from '../balancer/balancer';
import { checkCallOptions } from '../call/check-options';
import type { CallOptions } from '../call/context';
import { omitUndefined } from '../config/resolve-endpoint';
import { bindToResponse, requestState } from './request-ai';

/** Defaults for the calls of a request; a call's own options come over them. */
export type FailoverExecutorOptions = Pick<CallOptions, 'timeoutMs' | 'fallbacks' | 'hedge'>;

/**
 * Makes `req.ai` live and ties it to the response: when the response closes before it has finished, its calls are
 * aborted.
 *
 * @example app.use(failoverExecutor(balancer, { timeoutMs: 20_000 }))
 */
export function failoverExecutor(balancer: Balancer, options: FailoverExecutorOptions = {}): RequestHandler {
  checkCallOptions(options);
  const defaults = omitUndefined(options);
  return function failoverExecutorMiddleware(req, res, next) {
    const state = requestState(req, balancer);
    Object.assign(state.defaults, defaults);
    bindToResponse(state, res);
    next();
  };
}
