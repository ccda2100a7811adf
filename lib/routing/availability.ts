import type { Call } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import type { Quota } from '../quota/quota';
import type { Option, Plan } from './plan';

/** What keeps an endpoint from starting a call now, and for how long as far as is known. */
export interface Obstacle {
  readonly removedBy: string;
  /**
   * What kind of wait it means: 'quota' and 'rest' end at a known time; 'place' when another call ends; 'held' is free,
   * but for calls that matter more; 'slow' could not answer in time; 'down' is not to be waited for.
   */
  readonly kind: 'quota' | 'rest' | 'place' | 'held' | 'slow' | 'down';
  /** Milliseconds; Infinity where nobody knows. */
  readonly waitMs: number;
}

export interface AvailabilityOptions {
  readonly now: number;
  /** Endpoints that this call must not use now. */
  readonly excluded?: (endpoint: Endpoint) => boolean;
  /** Quotas kept free for calls that matter more. */
  readonly isHeld?: (quota: Quota) => boolean;
}

const WEIGHT: Obstacle = { removedBy: 'weight: taken out', kind: 'down', waitMs: Infinity };
const TRIED: Obstacle = { removedBy: 'tried: it failed this call', kind: 'down', waitMs: Infinity };
const AT_CAPACITY: Obstacle = { removedBy: 'quota: all places are taken', kind: 'place', waitMs: Infinity };
const HELD: Obstacle = {
  removedBy: 'queue: kept for calls that matter more',
  kind: 'held',
  waitMs: Infinity,
};

/** The share of a prediction that is certain enough to refuse a call by. */
const CERTAIN_SHARE = 0.5;

/** The first thing that keeps an endpoint from starting this call now; undefined when nothing does. */
export function obstacleOf(
  plan: Plan,
  { endpoint, quotaCost }: Option,
  options: AvailabilityOptions,
): Obstacle | undefined {
  const { now, excluded, isHeld } = options;
  if (endpoint.weight === 0) return WEIGHT;
  if (excluded?.(endpoint)) return TRIED;
  const { breaker } = endpoint;
  if (!breaker.canEnter) {
    return { removedBy: `breaker: ${breaker.state}`, kind: 'down', waitMs: breaker.msUntilProbe(now) };
  }
  const cooldownUntil = endpoint.cooldownUntil(now);
  if (cooldownUntil > 0)
    return { removedBy: 'rest: it asked us to wait', kind: 'rest', waitMs: cooldownUntil - now };
  if (isTooSlow(plan, endpoint, now)) {
    return { removedBy: 'deadline: it could not answer in time', kind: 'slow', waitMs: Infinity };
  }
  if (endpoint.inFlight >= endpoint.settings.maxConcurrent) return AT_CAPACITY;
  const waitMs = endpoint.quotaWaitMs(quotaCost, now);
  if (waitMs > 0) return { removedBy: 'quota: no room now', kind: 'quota', waitMs };
  return isHeld?.(endpoint.quota) ? HELD : undefined;
}

function isTooSlow({ call }: Plan, endpoint: Endpoint, now: number): boolean {
  return call.deadlineAt !== Infinity && minServiceMs(call, endpoint, now) > call.deadlineAt - now;
}

/** The least that an endpoint can take for a call. 0 until enough has been seen of it: a profile alone refuses nobody. */
export function minServiceMs(call: Call, endpoint: Endpoint, now: number): number {
  const { latency, inFlight } = endpoint;
  return latency.hasEvidence ? latency.totalMs(call, inFlight, now) * CERTAIN_SHARE : 0;
}
