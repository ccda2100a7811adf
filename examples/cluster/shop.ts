import type { EndpointConfig } from 'express-ai-balancer';
import type { FleetDescription } from 'express-ai-balancer/simulator';
import { SALE, type Sale } from '../flash-sale/sale';

/** Two keys of one model: 600 requests per minute together. */
const KEYS = ['key-1', 'key-2'];
const MODEL = 'gpt-4o-mini';
const LIMITS = { rpm: 300, tpm: 900_000 };
/** The depth of the buckets, in seconds of the limit. */
const BURST_SECONDS = 2;

/** Two calls per second, then 11, which is a tenth more than both keys allow. Redis is killed in the middle. */
export const DAY: Sale = {
  ...SALE,
  usualRate: 2,
  peakFactor: 5.5,
  opensAt: 6,
  risesFor: 2,
  holdsFor: 14,
  fallsOver: 4,
  endsAt: 36,
  down: { provider: 'Redis', from: 12, to: 20 },
};

/**
 * The providers, in a separate process. They answer 429 above their limits and, like some real ones, send no rate limit
 * headers, from which the workers could learn what their peers use.
 */
export function describeProviders(seed: number): FleetDescription {
  return {
    providers: KEYS.map((name, index) => ({
      name,
      seed: seed + index,
      errorShare: 0,
      recordRequests: 0,
      models: {
        [MODEL]: {
          ...LIMITS,
          bucketSeconds: BURST_SECONDS,
          sendsRateLimitHeaders: false,
          ttftMs: 300,
          msPerOutputToken: 8,
        },
      },
    })),
  };
}

/** The same in every worker: the whole limit of each key, not a part of it. */
export function endpointOf(name: string, baseURL: string): EndpointConfig {
  return { name, model: MODEL, baseURL, apiKey: 'demo', ...LIMITS, burstSeconds: BURST_SECONDS };
}

/** The most requests that both keys together may admit in that many seconds. */
export function allowedIn(seconds: number): number {
  return KEYS.length * (LIMITS.rpm / 60) * (BURST_SECONDS + seconds);
}

/** What the primary passes to its workers. */
export interface WorkerConfig {
  readonly endpoints: EndpointConfig[];
  /** Undefined if the workers share nothing. */
  readonly redis: string | undefined;
}

/** What a worker reports to the primary, twice per second. */
export interface WorkerReport {
  readonly answered: number;
  readonly failed: number;
  /** Answered calls that had to wait for quota. */
  readonly waited: number;
  /** 429s that its attempts got. */
  readonly rateLimited: number;
  /** 'shared' in Redis, or what the worker does while Redis is unreachable. */
  readonly quotas: string;
}
