import type { RequestHandler } from 'express';
import { Balancer } from '../balancer/balancer';
import type { BalancerConfig } from '../config/options';
import { type FailoverExecutorOptions, failoverExecutor } from './failover-executor';
import { guardCalls, type RateLimitGuardOptions } from './rate-limit-guard';
import { type SmartRouterOptions, smartRouter } from './smart-router';

export interface AiBalancerOptions {
  /** Limits for tenants, or a guard that rateLimitGuard() has made for this balancer. Default: no guard. */
  guard?: RateLimitGuardOptions | RequestHandler;
  router?: SmartRouterOptions;
  executor?: FailoverExecutorOptions;
}

/**
 * The whole of it in one line: rate-limit guard, smart router and failover executor over one balancer, as `req.ai`.
 * The guard acts at the first `req.ai` call: a page that never calls AI is never refused.
 *
 * @example
 * app.use(aiBalancer({ endpoints: holysheep({ apiKey: process.env.HOLYSHEEP_API_KEY }) }))
 * app.post('/helpdesk', async (req, res) => res.json(await req.ai.chat({ model: 'gpt-4o-mini', messages })))
 *
 * @throws ERR_AI_CONFIG that lists every fault of the configuration.
 */
export function aiBalancer(
  config: BalancerConfig | Balancer,
  options: AiBalancerOptions = {},
): RequestHandler & { balancer: Balancer } {
  const balancer = Balancer.isInstance(config) ? config : new Balancer(config);
  const steps = [
    ...(options.guard ? [guardCalls(balancer, options.guard)] : []),
    smartRouter(balancer, options.router),
    failoverExecutor(balancer, options.executor),
  ];
  const handler: RequestHandler = function aiBalancerMiddleware(req, res, next) {
    let step = 0;
    const proceed = (error?: unknown): void => {
      const middleware = error === undefined ? steps[step++] : undefined;
      if (middleware) void middleware(req, res, proceed);
      else next(error);
    };
    proceed();
  };
  return Object.assign(handler, { balancer });
}
