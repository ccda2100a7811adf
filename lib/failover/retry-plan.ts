import { type FailureDetail, ruleFor } from '../failure/detail';
import type { RetryOptions } from './options';

/*
 * Decides what a call does next after its attempts so far. Pure functions without a clock, endpoints or the queue. All
 * times are on the clock of performance.now().
 */

/** How the attempts of one call at one endpoint have failed. */
export interface EndpointHistory {
  /** Attempts that failed for a reason that counts against the endpoint. */
  readonly failures: number;
  /** Attempts that the endpoint refused, such as with a 429, which doesn't count as its failure. */
  readonly refusals: number;
  /** The soonest time at which this call may be sent to the endpoint again; Infinity for never. */
  readonly againAt: number;
  /** The soonest time at which this call may make its last attempt, if it makes it at this endpoint. */
  readonly lastAttemptAt: number;
}

/** An endpoint that may serve the call. */
export interface RetryOption {
  readonly name: string;
  /**
   * The soonest time at which quota, cooldown and breaker let the endpoint start a call; Infinity for never or unknown.
   */
  readonly startAt: number;
  /**
   * When the endpoint could start a new call of the same kind. Set if this differs from `startAt`, because the endpoint
   * is busy or too slow for the time that this call has left.
   */
  readonly availableAt?: number;
  /** Whether the endpoint can start a call as soon as another one ends, at an unknown time. */
  readonly isBusy: boolean;
  /** A lower bound of the time that the endpoint needs for the call, in milliseconds. */
  readonly serviceMs: number;
  /** Whether the endpoint has failed other calls lately, so that a retry there takes from the retry budget. */
  readonly isFailing: boolean;
}

export interface RetrySituation {
  readonly now: number;
  /** The call's deadline; if it has none, the latest time at which an attempt may start. */
  readonly deadlineAt: number;
  readonly options: readonly RetryOption[];
  /** By endpoint name. */
  readonly history: ReadonlyMap<string, EndpointHistory>;
  readonly maxAttempts: number;
  readonly isBudgetSpent: boolean;
}

export type RetryDecision =
  /** Send to one of these endpoints now. */
  | { readonly kind: 'send'; readonly to: ReadonlySet<string> }
  /** Wait for the endpoint `for` until the time `until`; Infinity if only an event can end the wait. */
  | { readonly kind: 'wait'; readonly for: string; readonly until: number }
  /** The endpoint is available, but the call has to let its own backoff pass first. */
  | { readonly kind: 'back-off'; readonly for: string; readonly until: number }
  | {
      readonly kind: 'give-up';
      readonly reason: 'attempts' | 'budget' | 'deadline' | 'no-endpoint';
      /** The soonest time at which a new call like this one could start; Infinity if unknown. */
      readonly retryAt: number;
    };

/**
 * From this many failures on, a call waits `maxDelayMs` before its last attempt, to give an endpoint time to recover.
 */
const PATIENT_AFTER = 3;
/** The wait before the last attempt takes at most this share of the time left before the deadline. */
const LAST_ATTEMPT_SHARE = 0.5;
/**
 * For the Retry-After of a call that has failed: how soon a new call may be sent to an endpoint that has failed this
 * one, in milliseconds; sooner if this call's backoff ends sooner.
 */
const MIN_RETRY_MS = 250;

/** The history of a call after another failed attempt, by endpoint name. */
export function historyAfter(
  before: ReadonlyMap<string, EndpointHistory>,
  name: string,
  detail: FailureDetail,
  situation: Pick<RetrySituation, 'now' | 'deadlineAt'> & {
    readonly retry: RetryOptions;
    /** Whether a stream broke off after its first content: its endpoint is not tried again. */
    readonly isBrokenStream?: boolean;
    readonly random?: () => number;
  },
): Map<string, EndpointHistory> {
  const { now, deadlineAt, retry, isBrokenStream, random = Math.random } = situation;
  const { countsAgainstEndpoint, sameEndpoint } = ruleFor(detail);
  const past = before.get(name);
  const failures = (past?.failures ?? 0) + (countsAgainstEndpoint ? 1 : 0);
  const refusals = (past?.refusals ?? 0) + (countsAgainstEndpoint ? 0 : 1);
  const allFailures = countFailures(before) + (countsAgainstEndpoint ? 1 : 0);
  const backoffUntil = now + backoffMs(Math.max(0, allFailures - 1), retry, random);
  const isFinal =
    isBrokenStream === true ||
    sameEndpoint === 'never' ||
    sameEndpoint === 'stale-socket' ||
    refusals >= retry.maxAttempts;
  // After a first refusal only its Retry-After counts. Further ones also back off, because a Retry-After of 0 would
  // cause a tight loop.
  const refusalMs = refusals < 2 ? 0 : backoffMs(refusals - 2, retry, random);
  const ownUntil = countsAgainstEndpoint ? backoffUntil : now + refusalMs;
  const againAt = isFinal ? Infinity : Math.max(ownUntil, now + (detail.retryAfterMs ?? 0));
  const patientMs = allFailures < PATIENT_AFTER ? 0 : retry.maxDelayMs * (0.95 + 0.1 * random());
  const patientUntil = now + Math.min(patientMs, LAST_ATTEMPT_SHARE * Math.max(0, deadlineAt - now));
  const after = new Map(before);
  after.set(name, { failures, refusals, againAt, lastAttemptAt: Math.max(againAt, patientUntil) });
  if (!countsAgainstEndpoint) return after;
  // The backoff belongs to the call: it starts with the last failure and applies to every endpoint that has failed the
  // call.
  for (const [other, { failures: otherFailures, ...rest }] of before) {
    if (other === name || otherFailures === 0) continue;
    const otherAgainAt = Math.max(rest.againAt, backoffUntil);
    const lastAttemptAt = Math.max(otherAgainAt, patientUntil);
    after.set(other, { ...rest, failures: otherFailures, againAt: otherAgainAt, lastAttemptAt });
  }
  return after;
}

/**
 * Milliseconds before the same endpoint is tried again. They double with each try, with equal jitter (half fixed, half
 * random).
 */
export function backoffMs(
  tries: number,
  { baseDelayMs, maxDelayMs }: RetryOptions,
  random: () => number,
): number {
  const ceilingMs = Math.min(maxDelayMs, baseDelayMs * 2 ** Math.min(20, tries));
  return ceilingMs * (0.5 + 0.5 * random());
}

/** The number of a call's failures that count against an endpoint. */
export function countFailures(history: ReadonlyMap<string, EndpointHistory>): number {
  let failures = 0;
  for (const endpoint of history.values()) failures += endpoint.failures;
  return failures;
}

interface Candidate {
  readonly name: string;
  readonly startAt: number;
  readonly isBusy: boolean;
  /** Whether only the call's own backoff keeps the call from starting at this endpoint. */
  readonly isBackingOff: boolean;
}

/**
 * Decides what a call does next. Endpoints that have not failed the call come first, including those that have only
 * refused it, such as with a 429. While one of these can still start the call in time, the last attempt is kept for it.
 * An endpoint that has failed the call is tried again after its backoff. A spent retry budget only stops attempts at
 * failing endpoints.
 */
export function decideNext(situation: RetrySituation): RetryDecision {
  const { now, deadlineAt, history, maxAttempts, isBudgetSpent } = situation;
  const failures = countFailures(history);
  const attemptsLeft = maxAttempts - failures;
  if (attemptsLeft <= 0) return giveUp(situation, 'attempts');
  let isTooLate = false;
  let isOverBudget = false;
  const healthy: Candidate[] = [];
  const failed: Candidate[] = [];
  for (const option of situation.options) {
    const past = history.get(option.name);
    const hasFailed = past !== undefined && past.failures > 0;
    const isLast = attemptsLeft === 1 && hasFailed;
    const allowedAt = past === undefined ? -Infinity : isLast ? past.lastAttemptAt : past.againAt;
    if (allowedAt === Infinity) continue;
    const needsBudget = failures > 0 && (hasFailed || option.isFailing);
    if (needsBudget && isBudgetSpent) {
      isOverBudget = true;
      continue;
    }
    const startAt = Math.max(option.startAt, allowedAt);
    const isBusy = option.isBusy && allowedAt <= now;
    if (startAt === Infinity && !isBusy) continue;
    if (!isBusy && startAt > now && startAt + option.serviceMs > deadlineAt) {
      isTooLate = true;
      continue;
    }
    const isBackingOff = allowedAt > Math.max(now, option.startAt);
    (hasFailed ? failed : healthy).push({ name: option.name, startAt, isBusy, isBackingOff });
  }
  const ready = healthy.filter(({ startAt }) => startAt <= now);
  if (ready.length > 0) return send(ready);
  // The last attempt is kept for an endpoint that has not failed the call.
  const usable = healthy.length > 0 && attemptsLeft === 1 ? [] : failed;
  const again = usable.filter(({ startAt }) => startAt <= now);
  if (again.length > 0) return send(again);
  const soonest = soonestOf([...healthy, ...usable]);
  if (soonest) {
    const kind = soonest.isBackingOff ? 'back-off' : 'wait';
    return { kind, for: soonest.name, until: soonest.startAt };
  }
  return giveUp(situation, isTooLate ? 'deadline' : isOverBudget ? 'budget' : 'no-endpoint');
}

function send(candidates: readonly Candidate[]): RetryDecision {
  return { kind: 'send', to: new Set(candidates.map(({ name }) => name)) };
}

/** The candidate that can start first. A busy one, whose time is unknown, is chosen only if there is no other. */
function soonestOf(candidates: readonly Candidate[]): Candidate | undefined {
  let soonest: Candidate | undefined;
  for (const candidate of candidates) {
    if (soonest === undefined || candidate.startAt < soonest.startAt) soonest = candidate;
  }
  return soonest;
}

function giveUp(
  { now, options, history }: RetrySituation,
  reason: (RetryDecision & { kind: 'give-up' })['reason'],
): RetryDecision {
  let retryAt = Infinity;
  for (const { name, startAt, availableAt = startAt } of options) {
    const past = history.get(name);
    const earliest = past === undefined ? now : Math.min(past.againAt, now + MIN_RETRY_MS);
    retryAt = Math.min(retryAt, Math.max(availableAt, earliest));
  }
  return { kind: 'give-up', reason, retryAt };
}
