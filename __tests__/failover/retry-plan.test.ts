import fc from 'fast-check';
import {
  countFailures,
  decideNext,
  type EndpointHistory,
  historyAfter,
  type RetryDecision,
  type RetryOption,
} from '../../lib/failover/retry-plan';
import type { FailureDetail } from '../../lib/failure/detail';
import { ruleFor } from '../../lib/failure/detail';
import { option, RETRY } from './retry-options';

const failure = (kind: FailureDetail['class'], more: Partial<FailureDetail> = {}): FailureDetail => ({
  class: kind,
  message: '',
  ...more,
});

/** The decision at `now` after these failures, each at its own time. */
function decide(
  options: readonly RetryOption[],
  failures: readonly (readonly [at: number, endpoint: string, detail: FailureDetail])[],
  { now = 0, deadlineAt = 60_000, maxAttempts = 5, isBudgetSpent = false } = {},
): RetryDecision {
  let history: ReadonlyMap<string, EndpointHistory> = new Map();
  for (const [at, endpoint, detail] of failures) {
    history = historyAfter(history, endpoint, detail, {
      now: at,
      deadlineAt,
      retry: { ...RETRY, maxAttempts },
      random: () => 1,
    });
  }
  return decideNext({ now, deadlineAt, options, history, maxAttempts, isBudgetSpent });
}

describe('Retry plan: after its failures, a call', () => {
  it('is sent to an endpoint that has not failed it', () => {
    const decision = decide([option('a'), option('b')], [[0, 'a', failure('server')]]);
    expect(decision).toEqual({ kind: 'send', to: new Set(['b']) });
  });

  it('waits for the end of a cooldown rather than spending its last attempt on an endpoint that has just failed it', () => {
    const options = [option('limited', { startAt: 4_000 }), option('down')];
    const fails = [0, 250, 750, 1_750].map((at) => [at, 'down', failure('server')] as const);
    const first = [0, 'limited', failure('rate_limited', { retryAfterMs: 4_000 })] as const;
    expect(decide(options, [first, ...fails], { now: 1_750 })).toEqual({
      kind: 'wait',
      for: 'limited',
      until: 4_000,
    });
    expect(decide([option('limited'), option('down')], [first, ...fails], { now: 4_000 })).toEqual({
      kind: 'send',
      to: new Set(['limited']),
    });
  });

  it('waits for a rate-limited endpoint although the retry budget is spent', () => {
    const options = [option('limited', { startAt: 4_000 }), option('down')];
    const fails = [
      [0, 'limited', failure('rate_limited', { retryAfterMs: 4_000 })],
      [10, 'down', failure('server')],
    ] as const;
    expect(decide(options, fails, { now: 10, isBudgetSpent: true })).toMatchObject({
      kind: 'wait',
      for: 'limited',
    });
  });

  it('gives up if only failing endpoints are left and the retry budget is spent', () => {
    const decision = decide([option('a')], [[0, 'a', failure('server')]], { now: 300, isBudgetSpent: true });
    expect(decision).toMatchObject({ kind: 'give-up', reason: 'budget' });
  });

  it('is sent to the seventh endpoint after six with bad keys', () => {
    const options = Array.from({ length: 7 }, (_, i) => option(`k${i}`));
    const fails = options.slice(0, 6).map(({ name }, i) => [i, name, failure('unauthorized')] as const);
    expect(decide(options, fails, { now: 6 })).toEqual({ kind: 'send', to: new Set(['k6']) });
  });

  it('spreads its attempts over more than 8 s if the only endpoint answers 503 while it starts up', () => {
    let history: ReadonlyMap<string, EndpointHistory> = new Map();
    let now = 0;
    for (let attempt = 1; attempt < RETRY.maxAttempts; attempt++) {
      history = historyAfter(history, 'a', failure('server'), {
        now,
        deadlineAt: 60_000,
        retry: RETRY,
        random: () => 0,
      });
      const decision = decideNext({
        now,
        deadlineAt: 60_000,
        options: [option('a', { startAt: now })],
        history,
        maxAttempts: 5,
        isBudgetSpent: false,
      });
      expect(decision.kind).toBe('back-off');
      if (decision.kind === 'back-off') now = decision.until;
    }
    expect(now).toBeGreaterThan(8_000);
  });

  it('is not sent to an endpoint before the Retry-After of its 503', () => {
    const decision = decide([option('a')], [[0, 'a', failure('server', { retryAfterMs: 3_000 })]], {
      now: 500,
    });
    expect(decision).toEqual({ kind: 'back-off', for: 'a', until: 3_000 });
  });

  it('gives up with the soonest time at which such a call could start, not the longest cooldown', () => {
    const options = [option('bad-key', { startAt: 600_000 }), option('refuses', { startAt: 100 })];
    const fails = [
      [0, 'bad-key', failure('unauthorized')],
      [100, 'refuses', failure('connection')],
    ] as const;
    const decision = decide(options, fails, { now: 100 });
    expect(decision).toMatchObject({ kind: 'give-up', reason: 'no-endpoint' });
    expect((decision as { retryAt: number }).retryAt).toBeLessThan(1_000);
  });

  it('gives up at once if the only endpoint recovers after the deadline', () => {
    const decision = decide([option('a', { startAt: 30_000 })], [], { deadlineAt: 10_000 });
    expect(decision).toEqual({ kind: 'give-up', reason: 'deadline', retryAt: 30_000 });
  });
});

/** How a simulated endpoint behaves: available from `upAt`, it answers as its outcomes say, one after another. */
interface SimulatedEndpoint {
  readonly name: string;
  readonly upAt: number;
  readonly isFailing: boolean;
  readonly serviceMs: number;
  readonly outcomes: readonly (FailureDetail | 'served')[];
}

const detail = fc.oneof(
  fc.record({
    class: fc.constantFrom<FailureDetail['class']>(
      'server',
      'rate_limited',
      'timeout',
      'connection',
      'bad_answer',
      'unauthorized',
      'quota_exhausted',
      'too_large',
    ),
    message: fc.constant(''),
    retryAfterMs: fc.constantFrom(0, 50, 1_000, 20_000),
  }),
  fc.record({ class: fc.constant('server' as const), message: fc.constant('') }),
);
const endpoint = fc.record({
  upAt: fc.constantFrom(0, 0, 0, 300, 2_000, 9_000, 100_000),
  isFailing: fc.boolean(),
  serviceMs: fc.constantFrom(0, 100, 2_000),
  outcomes: fc.array(fc.oneof(detail, fc.constant('served' as const)), { maxLength: 8 }),
});

describe('Retry plan: over 10,000 random histories, a call', () => {
  it('ends, respects Retry-After, maxAttempts and the budget, and gives up only if no endpoint can serve it', () => {
    fc.assert(
      fc.property(
        fc.array(endpoint, { minLength: 1, maxLength: 5 }),
        fc.constantFrom(500, 5_000, 60_000),
        fc.integer({ min: 1, max: 6 }),
        fc.constantFrom(0, 3, 200),
        fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
        (given, deadlineAt, maxAttempts, budget, randoms) => {
          const endpoints: SimulatedEndpoint[] = given.map((each, i) => ({ ...each, name: `e${i}` }));
          runHistory(endpoints, deadlineAt, maxAttempts, budget, () => randoms.next().value as number);
        },
      ),
      { numRuns: 10_000 },
    );
  });
});

function runHistory(
  endpoints: readonly SimulatedEndpoint[],
  deadlineAt: number,
  maxAttempts: number,
  budget: number,
  random: () => number,
): void {
  let history: ReadonlyMap<string, EndpointHistory> = new Map();
  const attempts = new Map<string, number>();
  const notBefore = new Map<string, number>();
  let now = 0;
  let budgetLeft = budget;
  for (let step = 0; ; step++) {
    expect(step).toBeLessThan(500);
    const options = endpoints.map(({ name, upAt, isFailing, serviceMs }) =>
      option(name, { startAt: Math.max(upAt, now), isFailing, serviceMs }),
    );
    const isBudgetSpent = budgetLeft === 0;
    const failures = countFailures(history);
    const decision = decideNext({ now, deadlineAt, options, history, maxAttempts, isBudgetSpent });
    const inTime = ({ name, startAt, serviceMs, isFailing }: RetryOption): boolean => {
      const past = history.get(name);
      if ((past?.failures ?? 0) > 0 || past?.againAt === Infinity) return false;
      if (failures > 0 && isFailing && budgetLeft === 0) return false;
      const at = Math.max(startAt, past?.againAt ?? 0);
      return at <= now || at + serviceMs <= deadlineAt;
    };
    if (decision.kind === 'give-up') {
      if (failures < maxAttempts) expect(options.filter(inTime)).toEqual([]);
      return;
    }
    if (decision.kind !== 'send') {
      expect(decision.until).toBeGreaterThan(now);
      expect(decision.until).toBeLessThanOrEqual(deadlineAt);
      now = decision.until;
      continue;
    }
    expect(failures).toBeLessThan(maxAttempts);
    expect(decision.to.size).toBeGreaterThan(0);
    const [name = ''] = decision.to;
    const chosen = endpoints.find((each) => each.name === name) as SimulatedEndpoint;
    expect(chosen.upAt).toBeLessThanOrEqual(now);
    expect(notBefore.get(name) ?? 0).toBeLessThanOrEqual(now);
    const hasFailed = (history.get(name)?.failures ?? 0) > 0;
    if (hasFailed && failures === maxAttempts - 1) {
      expect(options.filter((each) => each.name !== name && inTime(each))).toEqual([]);
    }
    if (failures > 0 && (hasFailed || chosen.isFailing)) {
      expect(budgetLeft).toBeGreaterThan(0);
      budgetLeft--;
    }
    const nth = attempts.get(name) ?? 0;
    attempts.set(name, nth + 1);
    const outcome = chosen.outcomes[nth] ?? failure('server');
    if (outcome === 'served') return;
    now += chosen.serviceMs + 1;
    if (now >= deadlineAt) return;
    if (outcome.retryAfterMs !== undefined && ruleFor(outcome).sameEndpoint !== 'never') {
      notBefore.set(name, now + outcome.retryAfterMs);
    }
    history = historyAfter(history, name, outcome, {
      now,
      deadlineAt,
      retry: { ...RETRY, maxAttempts },
      random,
    });
  }
}
