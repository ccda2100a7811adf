import { FAILURE_RULES, type FailureClass } from '../../lib/failure/classes';
import { ruleFor } from '../../lib/failure/detail';

const MINUTE = 60_000;

describe('the rule of a failure class', () => {
  it.each<[FailureClass, string, string, boolean, string, number | undefined]>([
    ['rate_limited', 'after-retry-after', 'at-once', false, 'quota-group', 1000],
    ['too_large', 'never', 'at-once', false, 'none', undefined],
    ['quota_exhausted', 'never', 'at-once', false, 'endpoint', 15 * MINUTE],
    ['unauthorized', 'never', 'at-once', false, 'endpoint', 10 * MINUTE],
    ['model_missing', 'never', 'at-once', false, 'endpoint', 60 * MINUTE],
    ['not_served', 'never', 'at-once', false, 'none', MINUTE],
    ['server', 'with-backoff', 'budgeted', true, 'breaker', undefined],
    ['timeout', 'never', 'budgeted', true, 'breaker', undefined],
    ['connection', 'stale-socket', 'budgeted', true, 'breaker', undefined],
    ['bad_answer', 'never', 'budgeted', true, 'breaker', undefined],
    ['context_window', 'never', 'larger-window', false, 'none', undefined],
    ['content_policy', 'never', 'content-policy-list', false, 'none', undefined],
    ['bad_request', 'never', 'never', false, 'none', undefined],
    ['aborted', 'never', 'never', false, 'none', undefined],
  ])(
    '%s: same endpoint %s, other endpoint %s, counts against the endpoint %p, cooldown of %s',
    (name, sameEndpoint, otherEndpoint, countsAgainstEndpoint, cooldownScope, cooldownMs) => {
      expect(FAILURE_RULES[name]).toMatchObject({
        sameEndpoint,
        otherEndpoint,
        countsAgainstEndpoint,
        cooldownScope,
      });
      expect(FAILURE_RULES[name].cooldownMs).toBe(cooldownMs);
    },
  );

  it('asks for a warning if somebody has to fix the cause', () => {
    const rules = Object.entries(FAILURE_RULES);
    expect(rules).toHaveLength(14);
    expect(rules.filter(([, rule]) => rule.shouldWarn).map(([name]) => name)).toEqual([
      'quota_exhausted',
      'unauthorized',
      'model_missing',
    ]);
  });

  it('is frozen', () => {
    expect(Object.isFrozen(FAILURE_RULES)).toBe(true);
    expect(Object.values(FAILURE_RULES).every((rule) => Object.isFrozen(rule))).toBe(true);
  });

  it('never allows a retry after the caller has aborted, whatever x-should-retry says', () => {
    expect(ruleFor({ class: 'aborted', message: '', shouldRetry: true })).toBe(FAILURE_RULES.aborted);
  });
});
