import type { RequestHandler, Router } from 'express';
import type { Balancer } from '../balancer/balancer';
import { validator } from '../config/validators';
import { guardCalls, type RateLimitGuardOptions } from '../middleware/rate-limit-guard';
import { bindToResponse, overrideContext, requestState } from '../middleware/request-ai';
import { checkGatewayOptions, type GatewayOptions } from './options';
import { gatewayRouter } from './router';

export interface AiGatewayOptions extends GatewayOptions {
  /**
   * Limits for the tenants that `authenticate` names, or a guard that rateLimitGuard() has made for this balancer. It
   * acts when a call is made, after `authenticate`. Default: no guard.
   */
  guard?: RateLimitGuardOptions | RequestHandler;
}

const EXTRA_OPTIONS = {
  guard: validator(
    'options, or what rateLimitGuard() has made for this balancer',
    (value) => typeof value === 'function' || (typeof value === 'object' && value !== null),
  ).optional(),
};

/**
 * OpenAI's API in front of the balancer, for every client that speaks it: chat completions whole and streamed,
 * embeddings and models. It reads bodies itself where the app hasn't, and a client that leaves ends its call at the
 * provider.
 *
 * @example app.use('/v1', aiGateway(balancer, { authenticate: (req) => tenants.get(req.get('authorization') ?? '') }))
 *
 * @throws ERR_AI_CONFIG that lists every fault of the options; `authenticate` is required.
 */
export function aiGateway(balancer: Balancer, options: AiGatewayOptions): Router {
  const checked = checkGatewayOptions(balancer, options, EXTRA_OPTIONS);
  const { guard } = options;
  const guarded = guard && guardCalls(balancer, guard);
  return gatewayRouter(balancer, checked, (req, res) => {
    const state = requestState(req, balancer);
    void guarded?.(req, res, () => undefined);
    bindToResponse(state, res);
    // OpenAI's clients know no restart: they would join two answers.
    state.hooks = { ...state.hooks, restarts: false };
    const { ai } = state;
    return {
      requestId: state.context.requestId,
      overrideContext: (context) => overrideContext(state, context),
      chat: (body) => ai.chat(body),
      embeddings: (body) => ai.embeddings(body),
    };
  });
}
