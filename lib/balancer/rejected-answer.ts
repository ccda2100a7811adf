import { AiBalancerError } from '../errors';
import type { RouteReport } from '../route-report';

/**
 * Returns the route report of a call whose first answer a hook has rejected: the attempts of both tries, with the
 * tokens of the rejected answer counted as wasted.
 */
export function combinedRoute(rejected: RouteReport, next: RouteReport | undefined): RouteReport {
  const { usage, costUsd = 0, wastedUsd = 0 } = rejected;
  if (!next) return rejected;
  const usd = costUsd + wastedUsd + (next.wastedUsd ?? 0);
  return {
    ...next,
    attempts: [...rejected.attempts, ...next.attempts],
    waitMs: rejected.waitMs + next.waitMs,
    wastedTokens: rejected.wastedTokens + (usage?.total_tokens ?? 0) + next.wastedTokens,
    ...(usd > 0 ? { wastedUsd: usd } : {}),
  };
}

/** Returns the route report of a stale answer with the attempts, wait and wasted tokens of the failed call added. */
export function withFailedAttempts(route: RouteReport, failed: RouteReport | undefined): RouteReport {
  if (!failed) return route;
  const { attempts, waitMs, wastedTokens, wastedUsd } = failed;
  return { ...route, attempts, waitMs, wastedTokens, ...(wastedUsd === undefined ? {} : { wastedUsd }) };
}

/**
 * Creates the error of a call whose answer was rejected.
 *
 * @param by Name of the hooks that rejected it.
 * @param cause The error of the next try; absent if the call may not be tried again.
 */
export function rejectedError(by: string, route: RouteReport, cause?: unknown): AiBalancerError {
  const failure = AiBalancerError.isInstance(cause) ? cause : undefined;
  const why =
    cause === undefined
      ? 'too often'
      : `and asking again failed: ${failure?.message ?? 'a function of the app threw'}`;
  return new AiBalancerError('ERR_AI_ALL_FAILED', `the answer was rejected by ${by}, ${why}`, {
    status: 502,
    retryable: failure?.retryable ?? false,
    ...(failure?.retryAfterMs === undefined ? {} : { retryAfterMs: failure.retryAfterMs }),
    attempts: route.attempts,
    route,
  });
}
