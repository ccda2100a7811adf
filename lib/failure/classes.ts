import type { FailureClass } from '../route-report';

export type { FailureClass };

/** How a failure class is handled. */
export interface FailureRule {
  /**
   * Whether the same call may try the same endpoint again: never; after the wait the upstream asked for, or with
   * backoff (both only when no other endpoint can serve and the deadline allows it); or at once, where a reused socket
   * had gone stale.
   */
  readonly sameEndpoint: 'never' | 'after-retry-after' | 'with-backoff' | 'stale-socket';
  /**
   * Whether another endpoint is tried: at once, without drawing on the retry budget; within the retry budget; only one
   * with a larger context window; only along `contentPolicyFallbacks`; or never, because it would fail there too.
   */
  readonly otherEndpoint: 'at-once' | 'budgeted' | 'larger-window' | 'content-policy-list' | 'never';
  /** Whether the breaker counts it. Failures that a caller can provoke at will are never counted. */
  readonly countsAgainstEndpoint: boolean;
  /** What takes no new calls for a while: nothing, the endpoint, its whole quota group, or what the breaker decides. */
  readonly cooldownScope: 'none' | 'endpoint' | 'quota-group' | 'breaker';
  /**
   * Length of the cooldown in milliseconds. For `rate_limited` it is the last resort, doubled each time, where neither
   * Retry-After nor a reset header gives one; for `not_served` it follows the tenth in a row.
   */
  readonly cooldownMs?: number;
  /** Whether the cooldown is reported as a warning: somebody has to fix the cause. */
  readonly shouldWarn: boolean;
}

const MINUTE_MS = 60_000;

function createRule(
  sameEndpoint: FailureRule['sameEndpoint'],
  otherEndpoint: FailureRule['otherEndpoint'],
  cooldownScope: FailureRule['cooldownScope'],
  cooldownMs?: number,
): FailureRule {
  return Object.freeze({
    sameEndpoint,
    otherEndpoint,
    cooldownScope,
    countsAgainstEndpoint: cooldownScope === 'breaker',
    shouldWarn: cooldownScope === 'endpoint',
    cooldownMs,
  });
}

/** The rule of each class. */
export const FAILURE_RULES: Readonly<Record<FailureClass, FailureRule>> = Object.freeze({
  rate_limited: createRule('after-retry-after', 'at-once', 'quota-group', 1000),
  too_large: createRule('never', 'at-once', 'none'),
  quota_exhausted: createRule('never', 'at-once', 'endpoint', 15 * MINUTE_MS),
  unauthorized: createRule('never', 'at-once', 'endpoint', 10 * MINUTE_MS),
  model_missing: createRule('never', 'at-once', 'endpoint', 60 * MINUTE_MS),
  // No cooldown for one; ten in a row are a misconfiguration, see EndpointCooldown.
  not_served: createRule('never', 'at-once', 'none', MINUTE_MS),
  server: createRule('with-backoff', 'budgeted', 'breaker'),
  timeout: createRule('never', 'budgeted', 'breaker'),
  connection: createRule('stale-socket', 'budgeted', 'breaker'),
  bad_answer: createRule('never', 'budgeted', 'breaker'),
  context_window: createRule('never', 'larger-window', 'none'),
  content_policy: createRule('never', 'content-policy-list', 'none'),
  bad_request: createRule('never', 'never', 'none'),
  aborted: createRule('never', 'never', 'none'),
});
