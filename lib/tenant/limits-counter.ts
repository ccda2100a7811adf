import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible';

/** What has been counted in the current window. */
export interface Count {
  readonly units: number;
  /** Milliseconds until the window ends. */
  readonly resetMs: number;
}

/** Counts whole units by key in fixed windows. 0 units only read the count. */
export type Counter = (key: string, units: number) => Promise<Count>;

/** Opens a counter. */
export type Counters = (name: string, windowSeconds: number) => Counter;

interface Limiter {
  penalty(key: string, points: number): Promise<RateLimiterRes>;
  get(key: string): Promise<RateLimiterRes | null>;
}

/** The options of a limiter that only counts. Whether a limit is exceeded depends on the tenant's limit, which may change. */
export function countingOptions(keyPrefix: string, windowSeconds: number) {
  return { keyPrefix, points: Number.MAX_SAFE_INTEGER, duration: windowSeconds };
}

/** Counters in memory. A key is removed when its window ends; no timer keeps the process alive. */
export const memoryCounters: Counters = (name, windowSeconds) =>
  createCounter(new RateLimiterMemory(countingOptions(name, windowSeconds)), windowSeconds);

export function createCounter(limiter: Limiter, windowSeconds: number): Counter {
  return async (key, units) => {
    const result = await (units > 0 ? limiter.penalty(key, units) : limiter.get(key));
    // A window that has ended may be returned until it is removed.
    return result && result.msBeforeNext > 0
      ? { units: result.consumedPoints, resetMs: result.msBeforeNext }
      : { units: 0, resetMs: windowSeconds * 1_000 };
  };
}
