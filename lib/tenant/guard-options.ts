import type { NextFunction, Request, Response } from 'express';
import type { Priority } from '../call/context';
import type { AiBalancerError } from '../errors';
import type { TenantLimitOptions } from './limits';
import type { RedisClient } from './limits-redis';

/** Options of `rateLimitGuard()`, and of `guard` in `aiBalancer()` and `aiGateway()`. */
export interface RateLimitGuardOptions extends TenantLimitOptions {
  /**
   * Returns the tenant that the request belongs to: a string of 1 to 512 characters. Default, also if it returns
   * undefined, null or an empty string: the tenant in the request's context, otherwise the client's address (`req.ip`;
   * the first 56 bits of an IPv6 address), which never becomes part of the context. If the function fails or takes
   * longer than the balancer's `timeouts.totalMs`, the request or the call ends with that error. The same holds for
   * `priority`, `skip` and `handler`.
   */
  tenant?: ((req: Request) => string | null | undefined | Promise<string | null | undefined>) | undefined;
  /**
   * Returns the priority of the request's calls: 1 (lowest) to 5 (highest). `smartRouter` and a call's own options
   * override it. Default 3.
   */
  priority?:
    | ((req: Request) => Priority | null | undefined | Promise<Priority | null | undefined>)
    | undefined;
  /** Returns true for a request that the guard neither counts nor refuses. Default: none. */
  skip?: ((req: Request) => boolean | Promise<boolean>) | undefined;
  /**
   * Answers a refused request, if `rateLimitGuard()` is mounted as a middleware. Default: the error's status, headers
   * and OpenAI-shaped body. `next` always passes on an error: its argument, or the refusal if it is called without one.
   */
  handler?:
    | ((req: Request, res: Response, next: NextFunction, refusal: AiBalancerError) => unknown)
    | undefined;
  /**
   * An ioredis client, for limits that all processes share. The guard never closes it. Default: the cluster's Redis if
   * the balancer has a cluster; otherwise each process counts by itself, in memory.
   */
  redis?: RedisClient | undefined;
  /**
   * Name of the guard in the RateLimit headers and in Redis: 1 to 64 letters, digits, `_`, `.` or `-`, unique per
   * balancer. Default `'ai'`, then `'ai-2'` and so on, in the order in which guards are created.
   */
  name?: string | undefined;
}
