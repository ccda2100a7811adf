import type { FailureClass } from '../route-report';

export type { FailureClass };

/** How a failure class is handled. */
export interface FailureRule {
  /**
   * Whether the same call may try the same endpoint again: never; after the wait that the upstream asked for, or with
   * backoff (both only if no other endpoint can serve it and the deadline allows); or at once, if a reused socket had
   * gone stale.
   */
  readonly sameEndpoint: 'never' | 'after-retry-after' | 'with-backoff' | 'stale-socket';
  /**
   * Whether another endpoint is tried: at once, without drawing on the retry budget; within the retry budget; only one
   * with a larger context window; only one in `contentPolicyFallbacks`; or never, because the call would fail there
   * too.
   */
  readonly otherEndpoint: 'at-once' | 'budgeted' | 'larger-window' | 'content-policy-list' | 'never';
  /** Whether the breaker counts the failure. Failures that a caller can provoke at will are never counted. */
  readonly countsAgainstEndpoint: boolean;
  /**
   * What gets no new calls during the cooldown: nothing, the endpoint, its whole quota group, or as the breaker
   * decides.
   */
  readonly cooldownScope: 'none' | 'endpoint' | 'quota-group' | 'breaker';
  /**
   * Length of the cooldown in milliseconds. For `rate_limited` it is used only if neither Retry-After nor a reset
   * header states one, and is doubled each time. For `not_served` it starts after the tenth consecutive failure.
   */
  readonly cooldownMs?: number;
  /** Whether the cooldown is logged as a warning, because somebody has to fix the cause. */
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
  // One failure causes no cooldown; ten consecutive ones suggest a misconfiguration, see EndpointCooldown.
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
