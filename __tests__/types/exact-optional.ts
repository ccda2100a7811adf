// Compiled by types.test.ts with exactOptionalPropertyTypes: an option that is undefined is as good as absent.
import type { Request } from 'express';
import {
  type AiDashboardOptions,
  type AiGatewayOptions,
  type BalancerConfig,
  type CallOptions,
  type ChatBody,
  type CreateFetchOptions,
  openai,
  type RateLimitGuardOptions,
  type RequestAi,
  smartRouter,
} from 'express-ai-balancer';

declare const env: Record<string, string | undefined>;
declare const ai: RequestAi;
declare const req: Request & { user?: { id: string } };
declare const some: boolean;

const number = some ? 1 : undefined;
const text = some ? 'a' : undefined;

/** As `migrate` writes it. */
export const migrated: BalancerConfig = {
  endpoints: [
    { name: 'a', model: 'gpt-4o', apiKey: env.OPENAI_API_KEY, baseURL: env.BASE_URL ?? '' },
    {
      name: 'b',
      model: 'claude-sonnet-4-5',
      provider: 'anthropic',
      apiKey: env.ANTHROPIC_API_KEY,
      apiVersion: env.V,
    },
  ],
  cluster: { redis: { host: env.REDIS_HOST, port: 6379, password: env.REDIS_PASSWORD } },
  cache: { calls: 'all', ttlMs: 600_000 },
};

export const everyPart: BalancerConfig = {
  endpoints: openai({
    apiKey: env.KEY,
    models: some ? ['gpt-4o'] : undefined,
    rpm: number,
    namePrefix: text,
  }),
  strategy: undefined,
  timeouts: { totalMs: number },
  retry: { maxAttempts: number },
  hedge: some ? { delayMs: number } : undefined,
  budgets: { usdPerDay: number, timeZone: text, perTenant: some ? { usdPerDay: number } : undefined },
  quotaGroups: { g: { rpm: number, tpm: number } },
  cache: some ? { ttlMs: number, redis: number === 1 ? true : undefined } : undefined,
  canary: { share: 0.1, model: text, guard: { errors: number } },
  shadow: { share: 0.1, endpoint: text, usdPerDay: number },
  hooks: { name: text, before: some ? () => ({ refuse: { message: 'no', status: number } }) : undefined },
  models: { m: { price: some ? { input: 1, output: 1, cachedInput: number } : undefined } },
  http: { proxy: undefined, maxResponseBytes: number },
  logger: some ? console : undefined,
};

export const router = smartRouter(ai as never, {
  tenant: text,
  context: () => ({ tenant: req.user?.id, tags: some ? ['eu'] : undefined }),
});
export const guard: RateLimitGuardOptions = { rpm: number, tenant: undefined, name: text };
export const gateway: AiGatewayOptions = {
  authenticate: false,
  guard: some ? guard : undefined,
  maxBodyBytes: number,
};
export const dashboard: AiDashboardOptions = { authorize: false, title: text };
export const ownFetch: CreateFetchOptions = { timeoutMs: number, context: { tenant: text } };
export const options: CallOptions = {
  tenant: text,
  signal: undefined,
  timeoutMs: number,
  cache: some ? true : undefined,
};
export const body: ChatBody = { model: text, messages: [], max_tokens: number, stream: undefined };
