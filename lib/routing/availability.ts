import { type Call, isOutputLearnt, latestStartAt } from '../call/call';
import { FIRST_GUESS } from '../call/tokens-expected';
import type { Endpoint } from '../endpoint/endpoint';
import type { Quota } from '../quota/quota';
import { longestWaitMs } from '../quota/quotas';
import { type Option, optionsOf, type Plan } from './plan';

/** Why an endpoint cannot start a call now, and for how long if that is known. */
export interface Obstacle {
  readonly removedBy: string;
  /**
   * 'quota', 'cooldown', 'breaker' and 'slow-start' end at a known time; 'concurrency' ends when another call ends,
   * 'probe' when the breaker's probe ends; 'held': capacity is free, but reserved for denser calls in the queue;
   * 'budget': the budget is spent, often until a known time; 'slow': the endpoint cannot answer before the deadline;
   * 'down': the endpoint is not worth waiting for.
   */
  readonly kind:
    | 'quota'
    | 'cooldown'
    | 'breaker'
    | 'slow-start'
    | 'concurrency'
    | 'probe'
    | 'held'
    | 'budget'
    | 'slow'
    | 'down';
  /** Milliseconds until the obstacle ends; Infinity if unknown. */
  readonly waitMs: number;
  /** Set for a budget whose store is unreachable, so that it is not known what is left. */
  readonly isUnconfirmed?: true;
}

export interface AvailabilityOptions {
  readonly now: number;
  /** Endpoints that this call must not use. */
  readonly excluded?: (endpoint: Endpoint) => boolean;
  /** Whether a quota is held for denser calls in the queue. */
  readonly isHeld?: (quota: Quota) => boolean;
  /**
   * How a half-open endpoint is probed. 'by-call' (default): the call itself may be the probe. 'beside': by a probe
   * alongside a call that another endpoint serves. 'is-probe': this call is such a probe, and the breaker has already
   * admitted it.
   */
  readonly probing?: 'by-call' | 'beside' | 'is-probe';
  /**
   * Whether an endpoint without calls in flight may be used although it seems too slow: the prediction may be out of date,
   * and only a call can show that.
   */
  readonly triesSlow?: boolean;
  /** Whether budgets are ignored. */
  readonly ignoresBudgets?: boolean;
}

function obstacle(kind: Obstacle['kind'], removedBy: string, waitMs = Infinity): Obstacle {
  return { removedBy, kind, waitMs };
}

const WEIGHT = obstacle('down', 'weight: the weight is 0');
/** The call has already failed at this endpoint. */
export const TRIED = obstacle('down', 'tried: it has failed this call');
const TOO_SLOW = obstacle('slow', 'deadline: cannot answer in time');
/**
 * For a half-open endpoint, which is probed beside a call that another endpoint serves. If no other endpoint can start
 * the call, the router uses this one after all.
 */
export const PROBED_BESIDE = obstacle('probe', 'breaker: half-open, probed beside another call');
const AT_CAPACITY = obstacle('concurrency', 'concurrency: maxConcurrent calls are in flight');
/** The limit of a slow start rises quickly, so waiting calls try again after 100 ms. */
const SLOW_START = obstacle('slow-start', 'slow start: recovered recently', 100);
/** The call waits for an attempt in flight to end, as it probably costs less than it has reserved. */
const BUDGET_RESERVED = obstacle('concurrency', 'budget: calls in flight have reserved what is left');
const HELD = obstacle('held', 'queue: held for calls of higher value density');

/** Calls that may run concurrently just after a recovery, and how often this number doubles over `breaker.rampMs`. */
const SLOW_START_CALLS = 4;
const SLOW_START_DOUBLINGS = 8;

/** Share of a predicted time that is certain enough to rule an endpoint out. */
const CERTAIN_SHARE = 0.7;

/** Returns the first obstacle for this call at the endpoint; undefined if the call can start now. */
export function obstacleOf(
  plan: Plan,
  { endpoint, quotaCost }: Option,
  options: AvailabilityOptions,
): Obstacle | undefined {
  const { now, excluded, isHeld, probing } = options;
  if (endpoint.weight === 0) return WEIGHT;
  if (excluded?.(endpoint)) return TRIED;
  if (endpoint.budgets && options.ignoresBudgets !== true) {
    const spent = budgetObstacle(plan, endpoint, options);
    if (spent) return spent;
  }
  const { breaker } = endpoint;
  if (probing !== 'is-probe') {
    if (!breaker.canEnter) return breakerObstacle(plan, endpoint, now);
    if (probing === 'beside' && breaker.state === 'half-open') return PROBED_BESIDE;
  }
  const cooldownUntil = endpoint.cooldownUntil(now);
  if (cooldownUntil > 0) return obstacle('cooldown', 'cooldown: takes no calls yet', cooldownUntil - now);
  const { inFlight } = endpoint;
  if ((inFlight > 0 || options.triesSlow !== true) && isTooSlow(plan, endpoint, now)) return TOO_SLOW;
  if (inFlight >= endpoint.settings.maxConcurrent) return AT_CAPACITY;
  // Below the initial limit of a slow start, the breaker need not be asked.
  if (inFlight >= SLOW_START_CALLS && inFlight >= slowStartLimit(breaker.ramp(now))) return SLOW_START;
  const waitMs = longestWaitMs(endpoint.quotas, quotaCost, now);
  if (waitMs > 0) return obstacle('quota', 'quota: not enough left now', waitMs);
  return isHeld?.(endpoint.quota) ? HELD : undefined;
}

/**
 * Milliseconds until the endpoint may take any call at all; 0 if it may now; Infinity if only an event can end the
 * obstacle.
 */
export function closedMs(endpoint: Endpoint, now: number): number {
  if (endpoint.weight === 0) return Infinity;
  const { breaker, inFlight } = endpoint;
  if (!breaker.canEnter) {
    const untilProbeMs = breaker.msUntilProbe(now);
    return untilProbeMs > 0 ? untilProbeMs : Infinity;
  }
  const cooldownUntil = endpoint.cooldownUntil(now);
  if (cooldownUntil > 0) return cooldownUntil - now;
  if (inFlight >= endpoint.settings.maxConcurrent) return Infinity;
  const isStarting = inFlight >= SLOW_START_CALLS && inFlight >= slowStartLimit(breaker.ramp(now));
  return isStarting ? SLOW_START.waitMs : 0;
}

function budgetObstacle(plan: Plan, endpoint: Endpoint, options: AvailabilityOptions): Obstacle | undefined {
  const found = endpoint.budgets?.obstacle(plan.call, endpoint.settings.price);
  if (!found || (found.allowsCheapest && isCheapest(plan, endpoint, options))) return undefined;
  const { room, what, isAllSpent, allowsCheapest } = found;
  if (room.kind === 'reserved') return BUDGET_RESERVED;
  if (room.kind === 'unconfirmed')
    return {
      ...obstacle(
        'budget',
        `budget: the store of ${what} is unreachable, and this process may spend no more without it`,
        room.waitMs,
      ),
      isUnconfirmed: true,
    };
  const rest = allowsCheapest ? ', and a cheaper endpoint can serve the call' : '';
  let state = isAllSpent ? 'is spent' : 'has less left than this call may cost';
  if (room.waitMs === Infinity) state = 'is less than this call may cost';
  return obstacle('budget', `budget: ${what} ${state}${rest}`, room.waitMs);
}

/** Whether no cheaper endpoint could start the call now. */
function isCheapest(plan: Plan, endpoint: Endpoint, options: AvailabilityOptions): boolean {
  const priced = optionsOf(plan);
  const own = priced.find((option) => option.endpoint === endpoint)?.costUsd ?? 0;
  return !priced.some(
    (option) =>
      (option.costUsd ?? 0) < own &&
      obstacleOf(plan, option, { ...options, ignoresBudgets: true }) === undefined,
  );
}

/** Maximum number of calls in flight during the slow start after a recovery; Infinity once it is over. */
function slowStartLimit(ramp: number): number {
  return ramp === 0 ? Infinity : SLOW_START_CALLS * 2 ** (SLOW_START_DOUBLINGS * (1 - ramp));
}

/**
 * The obstacle of an open or half-open breaker. The call waits for the breaker only if the deadline leaves the call its
 * expected time after the probe.
 */
function breakerObstacle({ call }: Plan, endpoint: Endpoint, now: number): Obstacle {
  const { breaker } = endpoint;
  const removedBy = `breaker: ${breaker.state}`;
  const waitMs = Math.max(breaker.msUntilProbe(now), endpoint.cooldownUntil(now) - now);
  const isInTime = now + waitMs + evidentServiceMs(call, endpoint, now) <= latestStartAt(call);
  if (!isInTime) return obstacle('down', removedBy, waitMs);
  return breaker.state === 'open' ? obstacle('breaker', removedBy, waitMs) : obstacle('probe', removedBy);
}

function isTooSlow({ call }: Plan, endpoint: Endpoint, now: number): boolean {
  return call.deadlineAt !== Infinity && minServiceMs(call, endpoint, now) > call.deadlineAt - now;
}

/**
 * Lower bound on the time that the endpoint needs for a call, in milliseconds; 0 until it has been observed often
 * enough.
 */
export function minServiceMs(call: Call, endpoint: Endpoint, now: number): number {
  return evidentServiceMs(call, endpoint, now) * CERTAIN_SHARE;
}

/**
 * Expected time of a call in milliseconds, if it is based on enough observations of the endpoint; else 0, because a
 * profile alone rules out no endpoint.
 */
function evidentServiceMs(call: Call, endpoint: Endpoint, now: number): number {
  const { latency, inFlight } = endpoint;
  if (!latency.hasEvidence) return 0;
  // An expected output that is only learnt from other calls is capped, so that it rules out no endpoint either.
  const expectedOutputTokens = isOutputLearnt(call)
    ? Math.min(call.expectedOutputTokens, FIRST_GUESS)
    : call.expectedOutputTokens;
  return latency.totalMsOf(call.promptTokens, expectedOutputTokens, inFlight, now);
}
