import fc from 'fast-check';
import { DEFAULTS } from '../../lib/config/defaults';
import { Breaker } from '../../lib/health/breaker';
import type { BreakerTicket } from '../../lib/health/breaker-types';

const OPTIONS = DEFAULTS.breaker;
/** No jitter: each opening lasts its full time. */
const NO_JITTER = () => 0;

const breakers: Breaker[] = [];

function start(options: Partial<typeof OPTIONS> = {}, random: () => number = NO_JITTER) {
  const seen: string[] = [];
  const breaker = new Breaker({
    name: 'test',
    options: { ...OPTIONS, ...options },
    onTransition: (transition) =>
      seen.push(transition.to === 'open' ? `open ${Math.round(transition.openMs)}` : transition.to),
    random,
  });
  breakers.push(breaker);
  return { breaker, seen };
}

/** Makes attempts that end at once with the given outcomes. */
async function end(breaker: Breaker, ...outcomes: ('success' | 'failure' | 'neutral')[]): Promise<void> {
  for (const outcome of outcomes) {
    breaker.enter().end(outcome);
    await jest.advanceTimersByTimeAsync(0);
  }
}

const fail = (breaker: Breaker, times: number) =>
  end(breaker, ...Array.from({ length: times }, () => 'failure' as const));

/** Opens the breaker and waits until it is half-open. */
async function halfOpen(breaker: Breaker): Promise<void> {
  await fail(breaker, OPTIONS.consecutiveFailures);
  await jest.advanceTimersByTimeAsync(OPTIONS.resetTimeoutMs);
  expect(breaker.state).toBe('half-open');
}

async function probe(breaker: Breaker, outcome: 'success' | 'failure' | 'neutral'): Promise<void> {
  expect(breaker.canEnter).toBe(true);
  await end(breaker, outcome);
}

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
});

afterEach(() => {
  for (const breaker of breakers.splice(0)) breaker.shutdown();
  expect(jest.getTimerCount()).toBe(0);
  jest.useRealTimers();
});

describe('Breaker while closed', () => {
  it('opens synchronously at the fifth consecutive failure', async () => {
    const { breaker } = start();
    await fail(breaker, 4);
    expect([breaker.state, breaker.canEnter]).toEqual(['closed', true]);
    breaker.enter().end('failure');
    expect([breaker.state, breaker.canEnter]).toEqual(['open', false]);
  });

  it('resets its count of consecutive failures on a success, but leaves it unchanged on a neutral end', async () => {
    const { breaker } = start();
    await end(breaker, 'failure', 'failure', 'failure', 'failure', 'neutral', 'neutral', 'success');
    await end(breaker, 'failure', 'failure', 'failure', 'neutral', 'failure');
    expect(breaker.state).toBe('closed');
    await fail(breaker, 1);
    expect(breaker.state).toBe('open');
  });

  it('opens when half of the attempts within 30 s have failed, but not with fewer than ten attempts', async () => {
    const { breaker } = start();
    const turns = Array.from({ length: 4 }, () => ['success', 'failure'] as const).flat();
    await end(breaker, ...turns, 'failure');
    expect(breaker.state).toBe('closed');
    await fail(breaker, 1);
    expect(breaker.state).toBe('open');
  });

  it('ignores failures older than 30 s in its failure rate', async () => {
    const { breaker } = start();
    await fail(breaker, 4);
    await end(breaker, 'success');
    await fail(breaker, 3);
    await jest.advanceTimersByTimeAsync(34_000);
    await end(breaker, ...Array.from({ length: 8 }, () => 'success' as const), 'failure', 'failure');
    expect(breaker.state).toBe('closed');
  });

  it('does not count calls in flight in its failure rate', async () => {
    const { breaker } = start({ consecutiveFailures: 100 });
    for (let n = 0; n < 30; n++) breaker.enter();
    await fail(breaker, 10);
    expect(breaker.state).toBe('open');
  });

  it('counts an attempt that is reported as failed twice only once', async () => {
    const { breaker } = start();
    await fail(breaker, 3);
    const ticket = breaker.enter();
    ticket.end('failure');
    ticket.end('failure');
    expect(breaker.state).toBe('closed');
    await fail(breaker, 1);
    expect(breaker.state).toBe('open');
  });

  it('takes back exactly one failure, if there is one', async () => {
    const { breaker } = start();
    breaker.takeBackFailure();
    await fail(breaker, 4);
    breaker.takeBackFailure();
    await fail(breaker, 1);
    expect(breaker.state).toBe('closed');
    await fail(breaker, 1);
    expect(breaker.state).toBe('open');
  });

  it('counts a failure that was taken back together with a success in its failure rate', async () => {
    const { breaker } = start({ consecutiveFailures: 100 });
    await fail(breaker, 5);
    for (let n = 0; n < 2; n++) breaker.takeBackFailure();
    // The tenth entry of the window: eight of ten failed. Without the two successes only eight attempts would count.
    await fail(breaker, 3);
    expect(breaker.state).toBe('open');
  });

  it('obeys a new number of consecutive failures at the next failure', async () => {
    const { breaker } = start();
    await fail(breaker, 1);
    breaker.configure({ ...OPTIONS, consecutiveFailures: 2 });
    await fail(breaker, 1);
    expect(breaker.state).toBe('open');
  });

  it('admits attempts that are not probes, and has nothing to wait for', () => {
    const { breaker } = start();
    const now = performance.now();
    expect(breaker.enter().isProbe).toBe(false);
    expect([breaker.msUntilProbe(now), breaker.canProbeBeside(now)]).toEqual([0, false]);
  });

  it('runs one timer, that of its window, and none for an attempt, which may take as long as it likes', () => {
    const { breaker } = start();
    expect(jest.getTimerCount()).toBe(1);
    breaker.enter().end('success');
    expect(jest.getTimerCount()).toBe(1);
  });

  it('needs no listener', async () => {
    const breaker = new Breaker({ name: 'test', options: OPTIONS });
    breakers.push(breaker);
    await halfOpen(breaker);
    await probe(breaker, 'success');
    expect(breaker.state).toBe('closed');
  });
});

describe('Breaker while open', () => {
  it('admits no attempt until its time is over, and reports the remaining time', async () => {
    const { breaker, seen } = start();
    await fail(breaker, 5);
    expect(breaker.msUntilProbe(performance.now())).toBeCloseTo(1_000);
    await jest.advanceTimersByTimeAsync(999);
    expect(breaker.canEnter).toBe(false);
    expect(breaker.msUntilProbe(performance.now())).toBeCloseTo(1);
    await jest.advanceTimersByTimeAsync(1);
    expect([breaker.state, breaker.canEnter]).toEqual(['half-open', true]);
    expect(seen).toEqual(['open 1000', 'half-open']);
  });

  it('doubles its open time with each failed probe, up to maxResetTimeoutMs', async () => {
    const { breaker, seen } = start();
    await fail(breaker, 5);
    for (const openMs of [1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000]) {
      await jest.advanceTimersByTimeAsync(openMs);
      await probe(breaker, 'failure');
    }
    expect(seen.filter((event) => event.startsWith('open'))).toEqual([
      'open 1000',
      'open 2000',
      'open 4000',
      'open 8000',
      'open 16000',
      'open 20000',
      'open 20000',
      'open 20000',
    ]);
  });

  it('shortens its open time by jitter of at most a quarter', async () => {
    const { breaker, seen } = start({}, () => 0.999_999);
    await fail(breaker, 5);
    await jest.advanceTimersByTimeAsync(751);
    await probe(breaker, 'failure');
    expect(seen).toEqual(['open 750', 'half-open', 'open 1500']);
  });

  it('ignores the ends of attempts that began before it opened', async () => {
    const { breaker, seen } = start();
    const early = Array.from({ length: 12 }, () => breaker.enter());
    await fail(breaker, 5);
    for (const [nth, ticket] of early.entries())
      ticket.end((['success', 'failure', 'neutral'] as const)[nth % 3]!);
    await jest.advanceTimersByTimeAsync(0);
    expect(breaker.state).toBe('open');
    expect(seen).toEqual(['open 1000']);
  });

  it('opens for resetTimeoutMs again after a recovery', async () => {
    const { breaker, seen } = start();
    await halfOpen(breaker);
    await probe(breaker, 'failure');
    await jest.advanceTimersByTimeAsync(2_000);
    await probe(breaker, 'success');
    await fail(breaker, 5);
    expect(seen.at(-1)).toBe('open 1000');
  });
});

describe('Breaker while half-open', () => {
  it('admits exactly one probe at a time', async () => {
    const { breaker } = start();
    await halfOpen(breaker);
    const ticket = breaker.enter();
    expect(ticket.isProbe).toBe(true);
    expect(breaker.canEnter).toBe(false);
    ticket.end('success');
    expect([breaker.state, breaker.canEnter]).toEqual(['closed', true]);
  });

  it('is not closed by the success of an attempt that began before it opened', async () => {
    const { breaker } = start();
    const late = breaker.enter();
    await halfOpen(breaker);
    breaker.enter();
    late.end('success');
    await jest.advanceTimersByTimeAsync(0);
    expect([breaker.state, breaker.canEnter]).toEqual(['half-open', false]);
  });

  it('opens again for the same time after a probe with a neutral end', async () => {
    const { breaker, seen } = start();
    await halfOpen(breaker);
    await probe(breaker, 'failure');
    await jest.advanceTimersByTimeAsync(2_000);
    await probe(breaker, 'neutral');
    expect(breaker.state).toBe('open');
    await jest.advanceTimersByTimeAsync(2_000);
    await probe(breaker, 'neutral');
    expect(seen.filter((event) => event.startsWith('open'))).toEqual([
      'open 1000',
      'open 2000',
      'open 2000',
      'open 2000',
    ]);
  });

  it('is closed by the first token of its probe, and a later failure of that stream counts like any other', async () => {
    const { breaker } = start();
    await halfOpen(breaker);
    const ticket = breaker.enter();
    ticket.started();
    expect([breaker.state, breaker.canEnter]).toEqual(['closed', true]);
    await fail(breaker, 4);
    ticket.end('failure');
    expect(breaker.state).toBe('open');
  });

  it('is not closed by the first token of an attempt that began before it opened', async () => {
    const { breaker } = start();
    const late = breaker.enter();
    await halfOpen(breaker);
    breaker.enter();
    late.started();
    expect([breaker.state, breaker.canEnter]).toEqual(['half-open', false]);
  });

  it('counts only the first reported end of its probe', async () => {
    const { breaker } = start();
    await halfOpen(breaker);
    const ticket = breaker.enter();
    ticket.end('failure');
    ticket.end('success');
    expect(breaker.state).toBe('open');
  });

  it('is not blocked by a hung probe after reopening, and the late end of that probe admits no second one', async () => {
    const { breaker } = start();
    await halfOpen(breaker);
    const lost: BreakerTicket = breaker.enter();
    breaker.open();
    await jest.advanceTimersByTimeAsync(20_000);
    expect([breaker.state, breaker.canEnter]).toEqual(['half-open', true]);
    breaker.enter();
    lost.end('success');
    expect([breaker.state, breaker.canEnter]).toEqual(['half-open', false]);
  });

  it('is not blocked by a hung probe after close(), and the late failure of that probe changes nothing', async () => {
    const { breaker } = start();
    await halfOpen(breaker);
    const lost = breaker.enter();
    breaker.close();
    lost.end('failure');
    expect([breaker.state, breaker.canEnter]).toEqual(['closed', true]);
  });
});

describe('Breaker after a recovery', () => {
  it('ignores failures of the outage in its failure rate', async () => {
    const { breaker } = start({ consecutiveFailures: 20 });
    await fail(breaker, 10);
    expect(breaker.state).toBe('open');
    await jest.advanceTimersByTimeAsync(1_000);
    await probe(breaker, 'success');
    await end(breaker, ...Array.from({ length: 9 }, () => 'success' as const), 'failure');
    expect(breaker.state).toBe('closed');
  });

  it('has a slow-start ramp that falls from 1 to 0 over rampMs', async () => {
    const { breaker } = start();
    expect(breaker.ramp(performance.now())).toBe(0);
    await halfOpen(breaker);
    await probe(breaker, 'success');
    expect(breaker.ramp(performance.now())).toBe(1);
    await jest.advanceTimersByTimeAsync(2_500);
    expect(breaker.ramp(performance.now())).toBeCloseTo(0.5);
    await jest.advanceTimersByTimeAsync(2_500);
    expect(breaker.ramp(performance.now())).toBe(0);
  });

  it('has no slow-start ramp once it has opened again', async () => {
    const { breaker } = start();
    await halfOpen(breaker);
    await probe(breaker, 'success');
    await fail(breaker, 5);
    expect([breaker.state, breaker.ramp(performance.now())]).toEqual(['open', 0]);
  });

  it('has no slow-start ramp if rampMs is 0', async () => {
    const { breaker } = start({ rampMs: 0 });
    await halfOpen(breaker);
    await probe(breaker, 'success');
    expect(breaker.ramp(performance.now())).toBe(0);
  });
});

describe('Breaker after shutdown()', () => {
  it('admits no attempt, whatever ends later, and leaves no timer running', async () => {
    const { breaker } = start();
    await halfOpen(breaker);
    const ticket = breaker.enter();
    breaker.shutdown();
    ticket.end('success');
    expect(breaker.canEnter).toBe(false);
    breaker.open();
    await jest.advanceTimersByTimeAsync(60_000);
    expect(breaker.canEnter).toBe(false);
    expect(jest.getTimerCount()).toBe(0);
  });
});

it('Breaker has no timer that keeps the process alive', () => {
  jest.useRealTimers();
  const interval = jest.spyOn(globalThis, 'setInterval');
  const timeout = jest.spyOn(globalThis, 'setTimeout');
  const { breaker } = start();
  breaker.open();
  const timers = [...interval.mock.results, ...timeout.mock.results].map(
    ({ value }) => value as NodeJS.Timeout,
  );
  expect(timers.length).toBeGreaterThan(0);
  expect(timers.map((timer) => timer.hasRef())).not.toContain(true);
  interval.mockRestore();
  timeout.mockRestore();
  breaker.shutdown();
  jest.useFakeTimers();
});

describe('A probe that a breaker admits alongside a call served by another endpoint', () => {
  const now = (): number => performance.now();
  /** A random number of 0.5, so the gap between probes is 2 s. */
  const HALF = () => 0.5;

  async function opened(options: Partial<typeof OPTIONS> = {}) {
    const started = start({ resetTimeoutMs: 10_000, ...options }, HALF);
    await fail(started.breaker, OPTIONS.consecutiveFailures);
    return started;
  }

  it('is allowed 2 s (1 to 3 s) after the opening and after the previous probe, one at a time, while calls stay blocked', async () => {
    const { breaker } = await opened();
    await jest.advanceTimersByTimeAsync(1_999);
    expect(breaker.canProbeBeside(now())).toBe(false);
    await jest.advanceTimersByTimeAsync(1);
    expect([breaker.canProbeBeside(now()), breaker.canEnter]).toEqual([true, false]);
    const ticket = breaker.enter();
    expect(ticket.isProbe).toBe(true);
    await jest.advanceTimersByTimeAsync(3_000);
    expect(breaker.canProbeBeside(now())).toBe(false);
    ticket.end('failure');
    expect(breaker.canProbeBeside(now())).toBe(true);
    breaker.enter().end('neutral');
    expect(breaker.canProbeBeside(now())).toBe(false);
    await jest.advanceTimersByTimeAsync(2_000);
    expect(breaker.canProbeBeside(now())).toBe(true);
  });

  it.each(['failure', 'neutral'] as const)(
    'changes neither the end of the opening nor the next one when it ends with a %s during the opening',
    async (outcome) => {
      const { breaker, seen } = await opened();
      await jest.advanceTimersByTimeAsync(2_000);
      const left = breaker.msUntilProbe(now());
      breaker.enter().end(outcome);
      expect(breaker.state).toBe('open');
      expect(breaker.msUntilProbe(now())).toBe(left);
      await jest.advanceTimersByTimeAsync(left);
      expect([breaker.state, breaker.canEnter]).toEqual(['half-open', true]);
      breaker.enter().end('failure');
      expect(seen).toEqual(['open 8750', 'half-open', 'open 17500']);
    },
  );

  it.each(['first token', 'success'] as const)('closes the breaker with its %s', async (how) => {
    const { breaker, seen } = await opened();
    await jest.advanceTimersByTimeAsync(2_000);
    const ticket = breaker.enter();
    if (how === 'first token') ticket.started();
    else ticket.end('success');
    expect(seen).toEqual(['open 8750', 'closed']);
    await jest.advanceTimersByTimeAsync(60_000);
    expect([breaker.state, breaker.canEnter]).toEqual(['closed', true]);
  });

  it('stays the only probe and decides the outcome if it is running when the breaker becomes half-open', async () => {
    const { breaker, seen } = await opened();
    await jest.advanceTimersByTimeAsync(2_000);
    const ticket = breaker.enter();
    await jest.advanceTimersByTimeAsync(10_000);
    expect([breaker.state, breaker.canEnter, breaker.canProbeBeside(now())]).toEqual([
      'half-open',
      false,
      false,
    ]);
    ticket.end('success');
    expect(seen).toEqual(['open 8750', 'half-open', 'closed']);
  });

  it('is also allowed once the breaker is half-open, when a call need not wait for it any more', async () => {
    const { breaker } = await opened();
    await jest.advanceTimersByTimeAsync(8_750);
    expect([
      breaker.state,
      breaker.canEnter,
      breaker.canProbeBeside(now()),
      breaker.msUntilProbe(now()),
    ]).toEqual(['half-open', true, true, 0]);
  });

  it('is never concurrent with another probe and never blocks the next one, in random sequences of events', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 5_000 }) }),
      fc.record({
        do: fc.constantFrom('enter', 'probe', 'started', 'open', 'close', 'report-open', 'report-closed'),
      }),
      fc.record({ do: fc.constant('end' as const), as: fc.constantFrom('success', 'failure', 'neutral') }),
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.infiniteStream(fc.double({ min: 0, max: 0.99, noNaN: true })),
        (steps, randoms) => {
          const { breaker } = start({}, () => randoms.next().value as number);
          const probes = new Set<BreakerTicket>();
          const tickets: BreakerTicket[] = [];
          for (const next of steps) {
            const before = breaker.state;
            if (next.do === 'wait') jest.advanceTimersByTime((next as { ms: number }).ms);
            else if (
              (next.do === 'enter' && breaker.canEnter) ||
              (next.do === 'probe' && breaker.canProbeBeside(now()))
            ) {
              const ticket = breaker.enter();
              tickets.push(ticket);
              if (ticket.isProbe) {
                // Probes of earlier openings were removed and don't count.
                expect(probes.size).toBe(0);
                probes.add(ticket);
              }
            } else if (next.do === 'started') tickets.at(-1)?.started();
            else if (next.do === 'open') breaker.open();
            else if (next.do === 'close') breaker.close();
            else if (next.do === 'report-open') breaker.openOnReport(2_000, 2_000);
            else if (next.do === 'report-closed') breaker.closeOnReport();
            else if (next.do === 'end') {
              const ticket = tickets.shift();
              ticket?.end((next as { as: 'success' }).as);
              if (ticket) probes.delete(ticket);
            }
            if (breaker.state === 'closed' || (before === 'half-open' && breaker.state === 'open'))
              probes.clear();
          }
          for (const ticket of tickets) ticket.end('neutral');
          jest.advanceTimersByTime(60_000);
          expect(breaker.canEnter).toBe(true);
          breaker.shutdown();
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('A breaker that was shut down', () => {
  it('changes no more, whatever is reported', async () => {
    const { breaker, seen } = start();
    const ticket = breaker.enter();
    breaker.shutdown();
    expect([breaker.openOnReport(1_000, 1_000), breaker.closeOnReport()]).toEqual([false, false]);
    breaker.close();
    breaker.open();
    breaker.takeBackFailure();
    ticket.end('failure');
    await jest.advanceTimersByTimeAsync(OPTIONS.resetTimeoutMs);
    expect([breaker.state, seen]).toEqual(['closed', []]);
  });
});

it('A failure that is taken back does not close an open breaker', async () => {
  const { breaker } = start();
  await fail(breaker, OPTIONS.consecutiveFailures);
  breaker.takeBackFailure();
  expect(breaker.state).toBe('open');
});
