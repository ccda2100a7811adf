import {
  backoffMs,
  decideNext,
  type EndpointHistory,
  historyAfter,
  type RetryOption,
} from '../../lib/failover/retry-plan';
import type { FailureDetail } from '../../lib/failure/detail';
import { option, RETRY } from './retry-options';

const DEADLINE_AT = 60_000;

type Failure = readonly [at: number, endpoint: string, kind: FailureDetail['class'], retryAfterMs?: number];

/** The history of a call after these failures, with the longest backoff that its jitter allows. */
function historyOf(
  failures: readonly Failure[],
  { deadlineAt = DEADLINE_AT, isBrokenStream = false } = {},
): Map<string, EndpointHistory> {
  let history = new Map<string, EndpointHistory>();
  for (const [now, name, kind, retryAfterMs] of failures) {
    const detail = { class: kind, message: '', ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
    history = historyAfter(history, name, detail, {
      now,
      deadlineAt,
      retry: RETRY,
      isBrokenStream,
      random: () => 1,
    });
  }
  return history;
}

function decide(
  options: readonly RetryOption[],
  failures: readonly Failure[] = [],
  { now = 0, deadlineAt = DEADLINE_AT, maxAttempts = 5, isBudgetSpent = false } = {},
) {
  return decideNext({ now, deadlineAt, options, history: historyOf(failures), maxAttempts, isBudgetSpent });
}

describe('The backoff of a call', () => {
  it('doubles with each try, up to maxDelayMs', () => {
    const longest = [0, 1, 2, 5, 6, 5_000].map((tries) => backoffMs(tries, RETRY, () => 1));
    expect(longest).toEqual([250, 500, 1_000, 8_000, 8_000, 8_000]);
  });

  it('is half fixed and half random', () => {
    expect(backoffMs(1, RETRY, () => 0)).toBe(250);
    expect(backoffMs(1, RETRY, () => 0.5)).toBe(375);
  });
});

describe('The history of a call, after a failure that counts against the endpoint,', () => {
  it('has the backoff of the first failure', () => {
    const after = { failures: 1, refusals: 0, againAt: 1_250, lastAttemptAt: 1_250 };
    expect(historyOf([[1_000, 'a', 'server']]).get('a')).toEqual(after);
  });

  it('has twice the backoff after the second, at whichever endpoint, and for all that have failed the call', () => {
    const history = historyOf([
      [0, 'a', 'server'],
      [1_000, 'b', 'server'],
    ]);
    expect(history.get('a')).toEqual({ failures: 1, refusals: 0, againAt: 1_500, lastAttemptAt: 1_500 });
    expect(history.get('b')).toEqual({ failures: 1, refusals: 0, againAt: 1_500, lastAttemptAt: 1_500 });
  });

  it('keeps the later of the backoff and what another endpoint has asked for', () => {
    const history = historyOf([
      [0, 'a', 'server', 30_000],
      [1_000, 'b', 'server', 100],
    ]);
    expect([history.get('a')?.againAt, history.get('b')?.againAt]).toEqual([30_000, 1_500]);
  });

  it('leaves out endpoints that have only refused the call', () => {
    const history = historyOf([
      [0, 'limited', 'rate_limited'],
      [1_000, 'b', 'server'],
    ]);
    expect(history.get('limited')).toMatchObject({ failures: 0, refusals: 1, againAt: 0 });
    expect(history.get('b')?.againAt).toBe(1_250);
  });

  it('gives endpoints time to recover before the last attempt, from the third failure on', () => {
    const failures: Failure[] = [
      [0, 'a', 'server'],
      [1_000, 'a', 'server'],
      [2_000, 'b', 'server'],
    ];
    expect(historyOf(failures.slice(0, 2)).get('a')?.lastAttemptAt).toBe(1_500);
    const history = historyOf(failures);
    // 1.05 times maxDelayMs.
    expect(history.get('a')).toMatchObject({ againAt: 3_000, lastAttemptAt: 2_000 + 8_400 });
    expect(history.get('b')).toMatchObject({ againAt: 3_000, lastAttemptAt: 2_000 + 8_400 });
  });

  it('takes at most half of the time that is left for it', () => {
    const failures: Failure[] = [0, 0, 0].map((at) => [at, 'a', 'server']);
    expect(historyOf(failures, { deadlineAt: 4_000 }).get('a')?.lastAttemptAt).toBe(2_000);
    expect(historyOf(failures, { deadlineAt: -1 }).get('a')?.lastAttemptAt).toBe(1_000);
  });

  it.each(['unauthorized', 'timeout', 'connection', 'too_large'] as const)(
    'never tries it again: %s',
    (kind) => {
      expect(historyOf([[0, 'a', kind]]).get('a')?.againAt).toBe(Infinity);
    },
  );

  it('never tries an endpoint again whose stream broke off', () => {
    expect(historyOf([[0, 'a', 'server']], { isBrokenStream: true }).get('a')?.againAt).toBe(Infinity);
  });
});

describe('The history of a call, after refusals,', () => {
  it('waits only for the first Retry-After, and backs off after further ones', () => {
    const refusals: Failure[] = [1_000, 1_000, 1_000].map((at) => [at, 'a', 'rate_limited', 0]);
    const againAt = [1, 2, 3].map((count) => historyOf(refusals.slice(0, count)).get('a')?.againAt);
    expect(againAt).toEqual([1_000, 1_250, 1_500]);
    expect(historyOf([[1_000, 'a', 'rate_limited', 3_000]]).get('a')?.againAt).toBe(4_000);
  });

  it('never tries an endpoint again that has refused it maxAttempts times', () => {
    const refusals: Failure[] = Array.from({ length: 5 }, () => [0, 'a', 'rate_limited', 0]);
    expect(historyOf(refusals.slice(1)).get('a')?.againAt).toBeLessThan(Infinity);
    expect(historyOf(refusals).get('a')).toMatchObject({ failures: 0, refusals: 5, againAt: Infinity });
  });
});

describe('The decision what a call does next', () => {
  it('sends it to any endpoint that can start it now', () => {
    expect(decide([option('a'), option('b', { startAt: 1 }), option('c')])).toEqual({
      kind: 'send',
      to: new Set(['a', 'c']),
    });
  });

  it('sends it although it will hardly end in time, but waits only where it can', () => {
    expect(decide([option('a', { serviceMs: 90_000 })])).toMatchObject({ kind: 'send' });
    const late = { startAt: 50_000, serviceMs: 10_000 };
    expect(decide([option('a', late)])).toEqual({ kind: 'wait', for: 'a', until: 50_000 });
    expect(decide([option('a', { ...late, serviceMs: 10_001 })])).toMatchObject({
      kind: 'give-up',
      reason: 'deadline',
    });
  });

  it('waits for the endpoint that can start it first', () => {
    const options = [
      option('a', { startAt: 300 }),
      option('b', { startAt: 200 }),
      option('c', { startAt: 400 }),
    ];
    expect(decide(options)).toEqual({ kind: 'wait', for: 'b', until: 200 });
  });

  it('waits for a busy endpoint as long as it takes, but not for one that is down', () => {
    const down = { startAt: Infinity };
    expect(decide([option('a', { ...down, isBusy: true, serviceMs: 90_000 })])).toEqual({
      kind: 'wait',
      for: 'a',
      until: Infinity,
    });
    expect(decide([option('a', down)])).toEqual({
      kind: 'give-up',
      reason: 'no-endpoint',
      retryAt: Infinity,
    });
  });

  it('does not wait for a busy endpoint at which its backoff ends too late', () => {
    const busy = option('a', { isBusy: true, serviceMs: 1_000 });
    expect(decide([busy], [[0, 'a', 'server', 59_500]])).toMatchObject({
      kind: 'give-up',
      reason: 'deadline',
    });
  });

  it('says whether the call backs off or waits for the endpoint', () => {
    const failures: Failure[] = [[0, 'a', 'server']];
    expect(decide([option('a')], failures)).toEqual({ kind: 'back-off', for: 'a', until: 250 });
    expect(decide([option('a', { startAt: 250 })], failures)).toEqual({ kind: 'wait', for: 'a', until: 250 });
    expect(decide([option('a')], failures, { now: 250 })).toEqual({ kind: 'send', to: new Set(['a']) });
  });

  it('gives up after maxAttempts failures, to which refusals do not count', () => {
    const failures: Failure[] = [
      [0, 'a', 'server'],
      [0, 'b', 'server'],
      [0, 'limited', 'rate_limited', 0],
    ];
    expect(decide([option('c')], failures, { maxAttempts: 3 })).toMatchObject({ kind: 'send' });
    expect(decide([option('c')], failures, { maxAttempts: 2 })).toMatchObject({ reason: 'attempts' });
  });

  it('waits longer before its last attempt if that is at an endpoint that has failed it', () => {
    const failures: Failure[] = [0, 0, 0, 0].map((at) => [at, 'a', 'server']);
    expect(decide([option('a')], failures, { maxAttempts: 6 })).toMatchObject({ until: 2_000 });
    expect(decide([option('a')], failures)).toMatchObject({ until: 8_400 });
  });

  it('keeps its last attempt for an endpoint that has not failed it', () => {
    const failures: Failure[] = [0, 0, 0, 0].map((at) => [at, 'a', 'server']);
    const options = [option('a'), option('b', { startAt: 30_000 })];
    expect(decide(options, failures, { now: 20_000 })).toMatchObject({ kind: 'wait', for: 'b' });
    expect(decide(options, failures, { now: 20_000, maxAttempts: 6 })).toEqual({
      kind: 'send',
      to: new Set(['a']),
    });
  });

  it('spends the retry budget only on retries at endpoints that are failing', () => {
    const failing = option('b', { isFailing: true });
    const spent = { isBudgetSpent: true, now: 300 };
    expect(decide([failing], [], spent)).toMatchObject({ kind: 'send' });
    expect(decide([failing], [[0, 'a', 'server']], spent)).toMatchObject({
      kind: 'give-up',
      reason: 'budget',
    });
    expect(decide([option('b')], [[0, 'a', 'server']], spent)).toMatchObject({ kind: 'send' });
    expect(decide([failing], [[0, 'a', 'rate_limited', 0]], spent)).toMatchObject({ kind: 'send' });
    expect(decide([failing], [[0, 'a', 'server']], { now: 300 })).toMatchObject({ kind: 'send' });
  });

  describe('to give up says when a new call could start:', () => {
    const soonest = (options: RetryOption[], failures: Failure[] = [], now = 0) =>
      decide(options, failures, { now, maxAttempts: 0 });

    it('at the first endpoint that is available', () => {
      const options = [option('a', { startAt: 900 }), option('b', { startAt: 500 })];
      expect(soonest(options)).toMatchObject({ retryAt: 500 });
      expect(soonest([option('a', { startAt: 900, availableAt: 700 })])).toMatchObject({ retryAt: 700 });
      expect(soonest([option('a')], [], 400)).toMatchObject({ retryAt: 400 });
    });

    it('250 ms after the failure at the latest, sooner if the backoff of the call ends sooner', () => {
      expect(soonest([option('a')], [[0, 'a', 'unauthorized']])).toMatchObject({ retryAt: 250 });
      expect(soonest([option('a')], [[0, 'a', 'server']], 100)).toMatchObject({ retryAt: 250 });
      expect(soonest([option('a')], [[0, 'a', 'rate_limited', 100]])).toMatchObject({ retryAt: 100 });
    });
  });
});
