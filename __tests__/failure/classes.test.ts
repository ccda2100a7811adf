import { FAILURE_CLASSES, FAILURE_RULES, type FailureClass } from '../../lib/failure/classes';
import { ruleFor } from '../../lib/failure/detail';

const MINUTE = 60_000;

it.each<[FailureClass, string, string, boolean, string, number | undefined]>([
  ['rate_limited', 'after-retry-after', 'at-once', false, 'quota-group', 1000],
  ['too_large', 'never', 'at-once', false, 'none', undefined],
  ['quota_exhausted', 'never', 'at-once', false, 'endpoint', 15 * MINUTE],
  ['unauthorized', 'never', 'at-once', false, 'endpoint', 10 * MINUTE],
  ['model_missing', 'never', 'at-once', false, 'endpoint', 60 * MINUTE],
  ['server', 'with-backoff', 'budgeted', true, 'breaker', undefined],
  ['timeout', 'never', 'budgeted', true, 'breaker', undefined],
  ['connection', 'stale-socket', 'budgeted', true, 'breaker', undefined],
  ['bad_answer', 'never', 'budgeted', true, 'breaker', undefined],
  ['context_window', 'never', 'larger-window', false, 'none', undefined],
  ['content_policy', 'never', 'content-policy-list', false, 'none', undefined],
  ['bad_request', 'never', 'never', false, 'none', undefined],
  ['aborted', 'never', 'never', false, 'none', undefined],
])(
  '%s: same endpoint %s, another %s, counts %p, rests %s',
  (name, sameEndpoint, another, counts, rests, restMs) => {
    expect(FAILURE_RULES[name]).toMatchObject({
      sameEndpoint,
      another,
      countsAgainstEndpoint: counts,
      rests,
    });
    expect(FAILURE_RULES[name].cooldownMs).toBe(restMs);
  },
);

it('has a rule for each class and announces the long rests', () => {
  expect(FAILURE_CLASSES).toHaveLength(13);
  expect(FAILURE_CLASSES.filter((name) => FAILURE_RULES[name].shouldWarn)).toEqual([
    'quota_exhausted',
    'unauthorized',
    'model_missing',
  ]);
});

it('can not be changed', () => {
  expect(Object.isFrozen(FAILURE_RULES)).toBe(true);
  expect(FAILURE_CLASSES.every((name) => Object.isFrozen(FAILURE_RULES[name]))).toBe(true);
});

it('never tries again for a caller who left, whatever the upstream says', () => {
  expect(ruleFor({ class: 'aborted', message: '', shouldRetry: true })).toBe(FAILURE_RULES.aborted);
});
