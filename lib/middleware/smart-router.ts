import type { Request, RequestHandler } from 'express';
import type { Balancer } from '../balancer/balancer';
import { checkContext } from '../call/check-options';
import type { RequestContext } from '../call/context';
import { badRequest } from '../errors';
import { type ContextHeader, checkAllowedHeaders, contextFromHeaders } from './context-headers';
import { overrideContext, requestState } from './request-ai';

export interface SmartRouterOptions extends Partial<RequestContext> {
  /** Works out a part of the context from the request; over the fixed part. */
  context?: (req: Request) => Partial<RequestContext> | Promise<Partial<RequestContext>>;
  /**
   * The headers that a client may set: true for all of `x-ai-priority`, `x-ai-type`, `x-ai-max-latency-ms` and
   * `x-ai-max-cost-per-1k`, or their names. Default: none, since a client could make itself important.
   */
  allowHeaders?: boolean | readonly ContextHeader[];
}

/**
 * Works out what the request's calls need: its options, then what `context(req)` says, then the headers allowed; the
 * later wins, and a call's own options win over all. Mounted again on a route, it narrows the context for that route.
 *
 * @example app.post('/code', smartRouter(balancer, { type: 'code', priority: 5 }), handler)
 */
export function smartRouter(balancer: Balancer, options: SmartRouterOptions = {}): RequestHandler {
  const { context, allowHeaders = false, ...fixed } = options;
  checkContext(fixed);
  checkAllowedHeaders(allowHeaders);
  if (context !== undefined && typeof context !== 'function') {
    throw badRequest('context', 'expected a function of the request');
  }
  const apply = async (req: Request): Promise<void> => {
    const derived = await context?.(req);
    if (derived !== undefined) checkContext(derived);
    const state = requestState(req, balancer);
    if (derived !== undefined) overrideContext(state, derived);
    overrideContext(state, contextFromHeaders(req, allowHeaders));
  };
  return function smartRouterMiddleware(req, _res, next) {
    overrideContext(requestState(req, balancer), fixed);
    if (!context && allowHeaders === false) {
      next();
      return;
    }
    // Express 4 does not catch a rejection.
    apply(req).then(() => next(), next);
  };
}
