/* eslint-disable @typescript-eslint/no-unused-vars, @typescript-eslint/no-meaningless-void-operator -- only compiled */
// Compile-time tests: checked by `tsc --noEmit`, and by jest in types.test.ts. Nothing here runs.
import type { RequestHandler } from 'express';
import express from 'express';
import {
  AiBalancerError,
  type AiBalancerErrorCode,
  type AiRequest,
  aiBalancer,
  Balancer,
  type BalancerConfig,
  type BalancerEvents,
  type BalancerStats,
  type CallOptions,
  createBalancer,
  type EndpointConfig,
  type EndpointHandle,
  failoverExecutor,
  holysheep,
  type Priority,
  type RequestAi,
  type RequestContext,
  smartRouter,
} from 'express-ai-balancer';
import { type Equal, expectType, type IsAny } from './expect';

declare const config: BalancerConfig;
declare const balancer: Balancer;

export function aMiddlewareIsARequestHandler(): void {
  const app = express();
  const ai = aiBalancer(config);
  expectType<Equal<typeof ai, RequestHandler & { balancer: Balancer }>>();
  app.use(ai);
  app.use(aiBalancer(balancer, { router: { priority: 5 }, executor: { timeoutMs: 1_000 } }));
  app.use(smartRouter(balancer, { type: 'code', context: (req) => ({ tenant: req.ip ?? 'nobody' }) }));
  app.use(
    smartRouter(balancer, { allowHeaders: ['x-ai-priority'] }),
    failoverExecutor(balancer, { hedge: false }),
  );
  app.post('/code', smartRouter(balancer, { type: 'code', priority: 5 }), async (req, res) => {
    expectType<Equal<typeof req.ai, RequestAi>>();
    const named: AiRequest = req;
    void named;
    res.json(await req.ai.chat({ messages: [{ role: 'user', content: 'hi' }] }));
  });
  // @ts-expect-error -- an unknown option
  smartRouter(balancer, { prority: 5 });
  // @ts-expect-error -- an unknown header
  smartRouter(balancer, { allowHeaders: ['x-ai-prompt'] });
  // @ts-expect-error -- a configuration is required
  aiBalancer();
  // @ts-expect-error -- an endpoint has a name
  createBalancer({ endpoints: [{ model: 'gpt-4o' }] });
}

export async function theBalancerIsTyped(): Promise<void> {
  const unknown: unknown = balancer;
  if (Balancer.isInstance(unknown)) expectType<Equal<typeof unknown, Balancer>>();
  const handle = balancer.endpoint('a');
  expectType<Equal<typeof handle, EndpointHandle>>();
  const stats = balancer.stats();
  expectType<Equal<typeof stats, BalancerStats>>();
  const endpoints = holysheep({ apiKey: process.env.HOLYSHEEP_API_KEY });
  expectType<Equal<typeof endpoints, EndpointConfig[]>>();
  balancer.on('cooldown', ({ endpoint, cooldownMs }) => {
    expectType<Equal<typeof endpoint, string>>();
    expectType<Equal<typeof cooldownMs, number>>();
  });
  await balancer.reload({ endpoints });
  await balancer.close({ graceMs: 1_000 });
}

export function errorsAreTold(error: unknown): number | undefined {
  if (!AiBalancerError.isInstance(error)) return undefined;
  expectType<Equal<typeof error.code, AiBalancerErrorCode>>();
  expectType<Equal<typeof error.retryAfterMs, number | undefined>>();
  return error.code === 'ERR_AI_SATURATED' ? error.retryAfterMs : error.status;
}

/** The keys of an object type whose type is `any`, a string index included. */
type AnyKeys<T> = { [K in keyof T]-?: IsAny<T[K]> extends true ? K : never }[keyof T];

export function nothingPublicIsAny(): void {
  expectType<Equal<AnyKeys<BalancerConfig>, never>>();
  expectType<Equal<AnyKeys<EndpointConfig>, never>>();
  expectType<Equal<AnyKeys<CallOptions>, never>>();
  expectType<Equal<AnyKeys<RequestContext>, never>>();
  expectType<Equal<AnyKeys<RequestAi>, never>>();
  expectType<Equal<AnyKeys<BalancerStats>, never>>();
  expectType<Equal<AnyKeys<BalancerEvents>, never>>();
  expectType<Equal<AnyKeys<AiBalancerError>, never>>();
  expectType<Equal<AnyKeys<EndpointHandle>, never>>();
  expectType<Equal<Priority, 1 | 2 | 3 | 4 | 5>>();
}
