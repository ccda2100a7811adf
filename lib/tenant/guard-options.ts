import type { NextFunction, Request, Response } from 'express';
import type { Priority } from '../call/context';
import type { AiBalancerError } from '../errors';
import type { TenantLimitOptions } from './limits';
import type { RedisClient } from './limits-redis';

/** Options of `rateLimitGuard()`, and of `guard` in `aiBalancer()` and `aiGateway()`. */
export interface RateLimitGuardOptions extends TenantLimitOptions {
  /**
   * Names the tenant that the request is for: a string of 1 to 512 characters. Default, and where it returns undefined,
   * null or an empty string: the tenant in the request's context, else the client's address (`req.ip`; the first 56 bits
   * of an IPv6 address), which never becomes part of the context. If it fails or takes longer than the balancer's
   * `timeouts.totalMs`, the request or the call ends with that error. So it is for the functions below.
   */
  tenant?(req: Request): string | null | undefined | Promise<string | null | undefined>;
  /** The priority of the request's calls, 1 to 5. `smartRouter` and a call's own options override it. Default 3. */
  priority?(req: Request): Priority | null | undefined | Promise<Priority | null | undefined>;
  /** Returns true for a request that the guard neither counts nor refuses. Default: none. */
  skip?(req: Request): boolean | Promise<boolean>;
  /**
   * Answers a refused request, in `rateLimitGuard()` mounted as a middleware. Default: the error's status, headers and
   * OpenAI-shaped body. `next` always passes an error on: its argument, or the refusal if it has none.
   */
  handler?(req: Request, res: Response, next: NextFunction, refusal: AiBalancerError): unknown;
  /**
   * An ioredis client, for limits that all processes share. The guard uses it and never closes it. Default: the
   * cluster's Redis if the balancer has a cluster; otherwise each process counts for itself, in memory.
   */
  redis?: RedisClient;
  /**
   * Names the guard in the RateLimit headers and in Redis: 1 to 64 letters, digits, `_`, `.` or `-`, unique per
   * balancer. Default `'ai'`, then `'ai-2'` and so on, in the order in which guards are created.
   */
  name?: string;
}
