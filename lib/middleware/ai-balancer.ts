import { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import { Balancer } from '../balancer/balancer';
import { TenantGuard } from '../balancer/tenant-guard';
import { configError } from '../config/config-errors';
import { aiBalancerFaults } from '../config/middleware-options';
import type { BalancerConfig } from '../config/options';
import { AiBalancerError } from '../errors';
import type { RateLimitGuardOptions } from '../tenant/guard-options';
import { type FailoverExecutorOptions, failoverExecutor } from './failover-executor';
import { type SmartRouterOptions, smartRouter } from './smart-router';

/** Options of the three middlewares that `aiBalancer()` combines. */
export interface AiBalancerOptions {
  /** Limits per tenant, or the guard that `rateLimitGuard()` returned for this balancer. Default: no guard. */
  guard?: RateLimitGuardOptions | RequestHandler | undefined;
  /** The context of every request. Default: the defaults of `smartRouter()`. */
  router?: SmartRouterOptions | undefined;
  /** Default options for the calls. Default: those of the balancer. */
  executor?: FailoverExecutorOptions | undefined;
}

/**
 * Adds `req.ai`: combines rate limit guard, smart router and failover executor over one balancer. The guard acts at the
 * first `req.ai` call, so that a request which makes no AI call is neither counted nor refused.
 *
 * @example
 * app.use(aiBalancer({ endpoints: holysheep({ apiKey: process.env.HOLYSHEEP_API_KEY }) }))
 * app.post('/helpdesk', async (req, res) => res.json(await req.ai.chat({ model: 'gpt-4o-mini', messages })))
 *
 * @param config A configuration, or a balancer that other middlewares share.
 * @returns The middleware, with the balancer as a property.
 * @throws ERR_AI_CONFIG that lists every fault of the options, or of the configuration.
 */
export function aiBalancer(
  config: BalancerConfig | Balancer,
  options: AiBalancerOptions = {},
): RequestHandler & {
  /** The balancer behind `req.ai`. */
  balancer: Balancer;
} {
  if ((config as unknown) instanceof IncomingMessage) throw notCalledError();
  const faults = aiBalancerFaults(options);
  if (faults.length > 0) throw configError(faults);
  const balancer = Balancer.isInstance(config) ? config : new Balancer(config);
  const guard = options.guard && TenantGuard.from(balancer, options.guard);
  const route = smartRouter(balancer, options.router);
  const execute = failoverExecutor(balancer, options.executor);
  const handler: RequestHandler = function aiBalancerMiddleware(req, res, next) {
    guard?.guardRequest(req, res);
    void route(req, res, (error?: unknown) => {
      if (error === undefined) void execute(req, res, next);
      else next(error);
    });
  };
  return Object.assign(handler, { balancer });
}

/** The error for an app that mounts `aiBalancer` itself, which Express then calls as the middleware. */
function notCalledError(): AiBalancerError {
  return new AiBalancerError(
    'ERR_AI_CONFIG',
    'aiBalancer was mounted without being called: write app.use(aiBalancer({ endpoints: [...] })), not app.use(aiBalancer)',
  );
}
