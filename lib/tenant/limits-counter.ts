import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible';

/** What has been counted in the current window. */
export interface Count {
  readonly units: number;
  /** Milliseconds until the window ends. */
  readonly resetMs: number;
}

/** Counts whole units by key in fixed windows. */
export interface Counter {
  add(key: string, units: number): Promise<Count>;
  read(key: string): Promise<Count>;
}

/** Where counters are kept. */
export interface Counters {
  open(name: string, windowSeconds: number): Counter;
}

/** The limiters only count. Whether a limit is exceeded depends on the tenant's limit, which may change. */
export const UNLIMITED = Number.MAX_SAFE_INTEGER;

/** Counters in memory. A key is removed when its window ends; no timer keeps the process alive. */
export function memoryCounters(): Counters {
  return {
    open: (name, windowSeconds) =>
      createCounter(
        new RateLimiterMemory({ keyPrefix: name, points: UNLIMITED, duration: windowSeconds }),
        windowSeconds,
      ),
  };
}

interface Limiter {
  penalty(key: string, points: number): Promise<RateLimiterRes>;
  get(key: string): Promise<RateLimiterRes | null>;
}

export function createCounter(limiter: Limiter, windowSeconds: number): Counter {
  const count = (result: RateLimiterRes | null): Count => {
    // A window that has ended may be returned until it is removed.
    const isActive = result !== null && result.msBeforeNext > 0;
    return isActive
      ? { units: result.consumedPoints, resetMs: result.msBeforeNext }
      : { units: 0, resetMs: windowSeconds * 1_000 };
  };
  return {
    add: async (key, units) => count(await limiter.penalty(key, units)),
    read: async (key) => count(await limiter.get(key)),
  };
}
