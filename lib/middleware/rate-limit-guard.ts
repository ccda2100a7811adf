import type { RequestHandler, Response } from 'express';
import type { Balancer } from '../balancer/balancer';
import { TenantGuard } from '../balancer/tenant-guard';
import { type AiBalancerError, retryHeaders } from '../errors';
import type { RateLimitGuardOptions } from '../tenant/guard-options';

/**
 * Limits requests per tenant before the handler runs and before a body is parsed. Answers 429 `ERR_AI_TENANT_LIMIT` when
 * the tenant is over a limit, and 503 `ERR_AI_SATURATED` when a call of the request's priority could not start in time.
 * Requests are counted here; tokens and dollars are counted when a call ends, so calls in flight can overdraw them.
 *
 * @example app.use('/ai', rateLimitGuard(balancer, { tenant: (req) => req.user?.id, rpm: 60, usdPerDay: 5 }))
 *
 * @param options Default: no limits, so that only saturation refuses a request.
 * @throws ERR_AI_CONFIG that lists every fault of the options.
 */
export function rateLimitGuard(balancer: Balancer, options: RateLimitGuardOptions = {}): RequestHandler {
  const guard = new TenantGuard(balancer, options);
  const handler: RequestHandler = function rateLimitGuardMiddleware(req, res, next) {
    const check = async (): Promise<AiBalancerError | undefined> => guard.guardRequest(req, res).check();
    // Express 4 does not handle a rejected promise.
    check().then((refusal) => {
      if (!refusal) next();
      else if (res.headersSent) next(refusal);
      else sendRefusal(res, refusal);
    }, next);
  };
  guard.setHandler(handler);
  return handler;
}

function sendRefusal(res: Response, refusal: AiBalancerError): void {
  res.set(retryHeaders(refusal)).status(refusal.status).json(refusal.toBody());
}
