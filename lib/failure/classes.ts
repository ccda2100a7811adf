import type { FailureClass } from '../route-report';

export type { FailureClass };

/** What a class allows and costs. */
export interface FailureRule {
  /**
   * The same endpoint again by the same call: never; after the wait it asked for, with backoff (both only when nothing
   * else can serve and the deadline allows); or at once, where a reused socket had gone stale.
   */
  readonly sameEndpoint: 'never' | 'after-retry-after' | 'with-backoff' | 'stale-socket';
  /**
   * Another endpoint: at once and free; drawing on the retry budget; only with a larger context window; only along
   * `contentPolicyFallbacks`; or never, because it would fail there too.
   */
  readonly otherEndpoint: 'at-once' | 'budgeted' | 'larger-window' | 'content-policy-list' | 'never';
  /** Whether it feeds the breaker. Failures a caller can cause at will never do. */
  readonly countsAgainstEndpoint: boolean;
  /** What stops taking new calls: nothing, the endpoint, all that shares its quota, or what the breaker decides. */
  readonly cooldownScope: 'none' | 'endpoint' | 'quota-group' | 'breaker';
  /**
   * Milliseconds of rest. For `rate_limited` it is only the last resort, doubling, after Retry-After and the reset
   * header.
   */
  readonly cooldownMs?: number;
  /** Whether the rest is worth an event: someone has to act before it ends for good. */
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
    ...(cooldownMs === undefined ? {} : { cooldownMs }),
  });
}

/** The rule of each class, frozen. */
export const FAILURE_RULES: Readonly<Record<FailureClass, FailureRule>> = Object.freeze({
  rate_limited: createRule('after-retry-after', 'at-once', 'quota-group', 1000),
  too_large: createRule('never', 'at-once', 'none'),
  quota_exhausted: createRule('never', 'at-once', 'endpoint', 15 * MINUTE_MS),
  unauthorized: createRule('never', 'at-once', 'endpoint', 10 * MINUTE_MS),
  model_missing: createRule('never', 'at-once', 'endpoint', 60 * MINUTE_MS),
  server: createRule('with-backoff', 'budgeted', 'breaker'),
  timeout: createRule('never', 'budgeted', 'breaker'),
  connection: createRule('stale-socket', 'budgeted', 'breaker'),
  bad_answer: createRule('never', 'budgeted', 'breaker'),
  context_window: createRule('never', 'larger-window', 'none'),
  content_policy: createRule('never', 'content-policy-list', 'none'),
  bad_request: createRule('never', 'never', 'none'),
  aborted: createRule('never', 'never', 'none'),
});

/** Every class, in the order of the table. */
export const FAILURE_CLASSES = Object.freeze(Object.keys(FAILURE_RULES)) as readonly FailureClass[];
