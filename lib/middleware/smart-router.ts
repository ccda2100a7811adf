import type { Request, RequestHandler } from 'express';
import { readOptionHeaders } from '../api/option-headers';
import type { Balancer } from '../balancer/balancer';
import { checkOptions } from '../balancer/check-options';
import { INTERNALS } from '../balancer/internals';
import { requestState } from '../balancer/request-ai';
import { type AppContext, checkAppContext } from '../call/check-options';
import type { RequestContext } from '../call/context';
import { type ContextHeader, routerFaults } from '../config/middleware-options';
import { callApp, toError } from '../util/app-function';
import type { Optional } from '../util/optional';

/** Fixed fields of the context, and the sources of the others. */
export interface SmartRouterOptions extends Optional<RequestContext> {
  /**
   * Returns fields of the context for a request, which override the fixed ones. A tenant of null or '' counts as none.
   * If the function fails or takes longer than the balancer's `timeouts.totalMs`, the request ends with that error.
   * Default: no function.
   */
  context?:
    | ((req: Request) => AppContext | null | undefined | Promise<AppContext | null | undefined>)
    | undefined;
  /**
   * The headers that a client may set: an array of their names, or true for `x-ai-priority`, `x-ai-type`,
   * `x-ai-max-latency-ms`, `x-ai-max-cost-per-1k`, `x-ai-min-quality`, `x-ai-session`, `x-ai-timeout-ms` and
   * `x-ai-hedge`. Only by name: `x-ai-tenant`, `x-ai-tags`, `x-ai-fallbacks` and `x-ai-endpoint`. They override
   * `context(req)` and the executor's options. Default false, because a client could otherwise raise its own priority.
   */
  allowHeaders?: boolean | readonly ContextHeader[] | undefined;
}

/**
 * Sets the context of the request's calls, `req.ai.context`. Each of these sources overrides those before it: the
 * options, `context(req)`, the allowed headers, a call's own options. Mount it again on a route to change the context
 * there.
 *
 * @example app.post('/code', smartRouter(balancer, { type: 'code', priority: 5 }), handler)
 *
 * @throws ERR_AI_CONFIG that lists every fault of the options.
 */
export function smartRouter(balancer: Balancer, options: SmartRouterOptions = {}): RequestHandler {
  checkOptions('router', balancer, routerFaults(options));
  const { context, allowHeaders = false, ...fixed } = options;
  const deriveContext = async (req: Request): Promise<void> => {
    const { appTimeoutMs } = balancer[INTERNALS];
    const derived = context && (await callApp('context()', () => context(req), appTimeoutMs));
    const state = requestState(req, balancer);
    if (derived !== undefined && derived !== null) state.overrideContext(checkAppContext(derived));
    state.applyHeaders(readOptionHeaders((name) => req.headers[name], allowHeaders));
  };
  const isFixed = Object.keys(fixed).length > 0;
  return function smartRouterMiddleware(req, _res, next) {
    const state = requestState(req, balancer);
    if (isFixed) state.overrideContext(fixed);
    if (!context && allowHeaders === false) {
      next();
      return;
    }
    // Passes a rejection to `next`, because Express 4 does not handle rejected promises.
    deriveContext(req).then(
      () => next(),
      (reason: unknown) => next(toError(reason, 'smartRouter')),
    );
  };
}
