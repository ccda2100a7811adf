import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { Balancer } from '../balancer/balancer';
import { INTERNALS } from '../balancer/internals';
import { TenantGuard } from '../balancer/tenant-guard';
import { AiBalancerError, retryHeaders } from '../errors';
import type { RateLimitGuardOptions } from '../tenant/guard-options';
import { toError } from '../util/app-function';
import { startTimer } from '../util/timers';

/**
 * Limits requests per tenant before the handler runs and before a body is parsed. Answers 429 `ERR_AI_TENANT_LIMIT` when
 * the tenant is over a limit, and 503 `ERR_AI_SATURATED` when a call of the request's priority could not start in time.
 * Requests are counted here. Tokens and dollars are counted when a call ends, so calls in flight can exceed those
 * limits.
 *
 * @example app.use('/ai', rateLimitGuard(balancer, { tenant: (req) => req.user?.id, rpm: 60, usdPerDay: 5 }))
 *
 * @param options Default: no limits, so that requests are refused only when the balancer is saturated.
 * @throws ERR_AI_CONFIG that lists every fault of the options.
 */
export function rateLimitGuard(balancer: Balancer, options: RateLimitGuardOptions = {}): RequestHandler {
  const guard = new TenantGuard(balancer, options);
  const refuse: typeof sendRefusal = options.handler
    ? (refusal, req, res, next) =>
        runRefusalHandler(options, refusal, req, res, next, balancer[INTERNALS].appTimeoutMs)
    : sendRefusal;
  const handler: RequestHandler = function rateLimitGuardMiddleware(req, res, next) {
    // Passes a rejection to `next`, because Express 4 does not handle rejected promises.
    guard
      .guardRequest(req, res)
      .check()
      .then(
        (refusal) => {
          if (!refusal) next();
          else if (res.headersSent) next(refusal);
          else refuse(refusal, req, res, next);
        },
        (reason: unknown) => next(toError(reason, 'rateLimitGuard')),
      );
  };
  guard.setHandler(handler);
  return handler;
}

function sendRefusal(refusal: AiBalancerError, _req: Request, res: Response, _next: NextFunction): void {
  res.set(retryHeaders(refusal)).status(refusal.status).json(refusal.toBody());
}

/** Runs the app's handler. Whatever it does, the request ends here, with a response or an error. */
function runRefusalHandler(
  options: RateLimitGuardOptions,
  refusal: AiBalancerError,
  req: Request,
  res: Response,
  next: NextFunction,
  timeoutMs: number,
): void {
  let isDone = false;
  const fail = (error: Error): void => {
    if (isDone) return;
    isDone = true;
    clearTimeout(timer);
    next(error);
  };
  const timer = startTimer(() => {
    if (!res.headersSent) fail(unansweredError(timeoutMs));
  }, timeoutMs);
  res.once('close', () => {
    isDone = true;
    clearTimeout(timer);
  });
  const failWith = (reason?: unknown): void =>
    fail(reason === undefined ? refusal : toError(reason, 'handler()'));
  const run = async (): Promise<void> => {
    await options.handler?.(req, res, failWith, refusal);
  };
  run().catch((reason: unknown) => fail(toError(reason, 'handler()')));
}

function unansweredError(timeoutMs: number): AiBalancerError {
  return new AiBalancerError(
    'ERR_AI_DEADLINE',
    `deadline exceeded: the guard's handler() did not answer within ${timeoutMs.toLocaleString('en')} ms`,
    { status: 504 },
  );
}
