/** What an upstream failure means, and so what may be done next. */
export type FailureClass =
  | 'rate_limited'
  | 'too_large'
  | 'quota_exhausted'
  | 'unauthorized'
  | 'model_missing'
  | 'server'
  | 'timeout'
  | 'connection'
  | 'bad_answer'
  | 'context_window'
  | 'content_policy'
  | 'bad_request'
  | 'aborted';

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
  readonly another: 'at-once' | 'budgeted' | 'larger-window' | 'content-policy-list' | 'never';
  /** Whether it feeds the breaker. Failures a caller can cause at will never do. */
  readonly countsAgainstEndpoint: boolean;
  /** What stops taking new calls: nothing, the endpoint, all that shares its quota, or what the breaker decides. */
  readonly rests: 'nothing' | 'endpoint' | 'quota-group' | 'breaker';
  /**
   * Milliseconds of rest. For `rate_limited` it is only the last resort, doubling, after Retry-After and the reset
   * header.
   */
  readonly restMs?: number;
  /** Whether the rest is worth an event: someone has to act before it ends for good. */
  readonly announced: boolean;
}

const MINUTE_MS = 60_000;

function rule(
  sameEndpoint: FailureRule['sameEndpoint'],
  another: FailureRule['another'],
  rests: FailureRule['rests'],
  restMs?: number,
): FailureRule {
  return Object.freeze({
    sameEndpoint,
    another,
    rests,
    countsAgainstEndpoint: rests === 'breaker',
    announced: rests === 'endpoint',
    ...(restMs === undefined ? {} : { restMs }),
  });
}

/** The rule of each class, frozen. */
export const FAILURE_RULES: Readonly<Record<FailureClass, FailureRule>> = Object.freeze({
  rate_limited: rule('after-retry-after', 'at-once', 'quota-group', 1000),
  too_large: rule('never', 'at-once', 'nothing'),
  quota_exhausted: rule('never', 'at-once', 'endpoint', 15 * MINUTE_MS),
  unauthorized: rule('never', 'at-once', 'endpoint', 10 * MINUTE_MS),
  model_missing: rule('never', 'at-once', 'endpoint', 60 * MINUTE_MS),
  server: rule('with-backoff', 'budgeted', 'breaker'),
  timeout: rule('never', 'budgeted', 'breaker'),
  connection: rule('stale-socket', 'budgeted', 'breaker'),
  bad_answer: rule('never', 'budgeted', 'breaker'),
  context_window: rule('never', 'larger-window', 'nothing'),
  content_policy: rule('never', 'content-policy-list', 'nothing'),
  bad_request: rule('never', 'never', 'nothing'),
  aborted: rule('never', 'never', 'nothing'),
});

/** Every class, in the order of the table. */
export const FAILURE_CLASSES = Object.freeze(Object.keys(FAILURE_RULES)) as readonly FailureClass[];
