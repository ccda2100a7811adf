import type { Request } from 'express';
import type { Priority } from '../call/context';
import type { TenantLimitOptions } from './limits';
import type { RedisClient } from './limits-redis';

/** Options of `rateLimitGuard()`, and of `guard` in `aiBalancer()` and `aiGateway()`. */
export interface RateLimitGuardOptions extends TenantLimitOptions {
  /**
   * Names the tenant that the request is for: a string of 1 to 512 characters. Default, and where it returns undefined:
   * the tenant in the request's context, else the client's address (`req.ip`; the first 56 bits of an IPv6 address),
   * which never becomes part of the context.
   */
  tenant?(req: Request): string | undefined | Promise<string | undefined>;
  /** The priority of the request's calls, 1 to 5. `smartRouter` and a call's own options override it. Default 3. */
  priority?(req: Request): Priority | undefined;
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
