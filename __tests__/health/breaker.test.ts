import { DEFAULTS } from '../../lib/config/defaults';
import { Breaker, type BreakerTicket } from '../../lib/health/breaker';

const OPTIONS = DEFAULTS.breaker;
/** Without jitter: 1 is the longest rest. */
const NO_JITTER = () => 0;

const breakers: Breaker[] = [];

function start(options: Partial<typeof OPTIONS> = {}, random: () => number = NO_JITTER) {
  const seen: string[] = [];
  const breaker = new Breaker(
    'test',
    { ...OPTIONS, ...options },
    {
      onOpen: (restMs) => seen.push(`open ${Math.round(restMs)}`),
      onHalfOpen: () => seen.push('half-open'),
      onClose: () => seen.push('closed'),
    },
    random,
  );
  breakers.push(breaker);
  return { breaker, seen };
}

/** Attempts that end at once. */
async function end(breaker: Breaker, ...outcomes: ('success' | 'failure' | 'neutral')[]): Promise<void> {
  for (const outcome of outcomes) {
    breaker.enter().end(outcome);
    await jest.advanceTimersByTimeAsync(0);
  }
}

const fail = (breaker: Breaker, times: number) =>
  end(breaker, ...Array.from({ length: times }, () => 'failure' as const));

/** Opens it, and waits until a probe may go. */
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

describe('a closed breaker', () => {
  it('opens at the fifth failure in a row, at once', async () => {
    const { breaker } = start();
    await fail(breaker, 4);
    expect([breaker.state, breaker.canEnter]).toEqual(['closed', true]);
    breaker.enter().end('failure');
    expect([breaker.state, breaker.canEnter, breaker.consecutiveFailures]).toEqual(['open', false, 5]);
  });

  it('counts anew after a success; a neutral end is none and no failure either', async () => {
    const { breaker } = start();
    await end(breaker, 'failure', 'failure', 'failure', 'failure', 'neutral', 'neutral', 'success');
    await end(breaker, 'failure', 'failure', 'failure', 'neutral', 'failure');
    expect(breaker.state).toBe('closed');
    await fail(breaker, 1);
    expect(breaker.state).toBe('open');
  });

  it('opens when more than half of a window of 30 s has failed, and not below ten attempts', async () => {
    const { breaker } = start();
    const turns = Array.from({ length: 4 }, () => ['success', 'failure'] as const).flat();
    await end(breaker, ...turns, 'failure');
    expect(breaker.state).toBe('closed');
    await fail(breaker, 1);
    expect(breaker.state).toBe('open');
  });

  it('leaves failures of more than 30 s ago out of the share', async () => {
    const { breaker } = start();
    await fail(breaker, 4);
    await end(breaker, 'success');
    await fail(breaker, 3);
    await jest.advanceTimersByTimeAsync(34_000);
    await end(breaker, ...Array.from({ length: 8 }, () => 'success' as const), 'failure', 'failure');
    expect(breaker.state).toBe('closed');
  });

  it('does not thin the share by calls in flight', async () => {
    const { breaker } = start({ consecutiveFailures: 100 });
    for (let n = 0; n < 30; n++) breaker.enter();
    await fail(breaker, 10);
    expect(breaker.state).toBe('open');
  });
});

describe('an open breaker', () => {
  it('lets nothing through until its rest is over, and says how long that is', async () => {
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

  it('doubles its rest with each probe that fails, up to the longest', async () => {
    const { breaker, seen } = start();
    await fail(breaker, 5);
    for (const restMs of [1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000]) {
      await jest.advanceTimersByTimeAsync(restMs);
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

  it('rests for three quarters of that at least, by jitter', async () => {
    const { breaker, seen } = start({}, () => 0.999_999);
    await fail(breaker, 5);
    await jest.advanceTimersByTimeAsync(751);
    await probe(breaker, 'failure');
    expect(seen).toEqual(['open 750', 'half-open', 'open 1500']);
  });

  it('is not changed by a success, a failure or a neutral end of before it opened', async () => {
    const { breaker, seen } = start();
    const early = Array.from({ length: 12 }, () => breaker.enter());
    await fail(breaker, 5);
    for (const [nth, ticket] of early.entries())
      ticket.end((['success', 'failure', 'neutral'] as const)[nth % 3]!);
    await jest.advanceTimersByTimeAsync(0);
    expect(breaker.state).toBe('open');
    expect(breaker.consecutiveFailures).toBe(5);
    expect(seen).toEqual(['open 1000']);
  });

  it('starts with the shortest rest again after a recovery', async () => {
    const { breaker, seen } = start();
    await halfOpen(breaker);
    await probe(breaker, 'failure');
    await jest.advanceTimersByTimeAsync(2_000);
    await probe(breaker, 'success');
    await fail(breaker, 5);
    expect(seen.at(-1)).toBe('open 1000');
  });
});

describe('a half-open breaker', () => {
  it('lets exactly one probe through at a time', async () => {
    const { breaker } = start();
    await halfOpen(breaker);
    const ticket = breaker.enter();
    expect(breaker.canEnter).toBe(false);
    ticket.end('success');
    expect([breaker.state, breaker.canEnter]).toEqual(['closed', true]);
  });

  it('is not closed by a late success while its probe runs', async () => {
    const { breaker } = start();
    const late = breaker.enter();
    await halfOpen(breaker);
    breaker.enter();
    late.end('success');
    await jest.advanceTimersByTimeAsync(0);
    expect([breaker.state, breaker.canEnter]).toEqual(['half-open', false]);
  });

  it('neither closes nor doubles when its probe ends neutrally', async () => {
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

  it('closes as soon as the answer of its probe has begun; what follows is an attempt like any other', async () => {
    const { breaker } = start();
    await halfOpen(breaker);
    const ticket = breaker.enter();
    ticket.started();
    expect([breaker.state, breaker.canEnter]).toEqual(['closed', true]);
    await fail(breaker, 4);
    ticket.end('failure');
    expect(breaker.state).toBe('open');
  });

  it('is told nothing by the beginning of an answer that is no probe of its', async () => {
    const { breaker } = start();
    const late = breaker.enter();
    await halfOpen(breaker);
    breaker.enter();
    late.started();
    expect([breaker.state, breaker.canEnter]).toEqual(['half-open', false]);
  });

  it('counts only the first word about its probe', async () => {
    const { breaker } = start();
    await halfOpen(breaker);
    const ticket = breaker.enter();
    ticket.end('failure');
    ticket.end('success');
    expect(breaker.state).toBe('open');
  });

  it('is not wedged by a probe that hangs when it is opened anew, and the lost probe admits no second one', async () => {
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

  it('is not wedged by a probe that hangs when it is closed by hand', async () => {
    const { breaker } = start();
    await halfOpen(breaker);
    const lost = breaker.enter();
    breaker.close();
    lost.end('failure');
    expect([breaker.state, breaker.canEnter]).toEqual(['closed', true]);
  });
});

describe('after a recovery', () => {
  it('the window of the outage is forgotten', async () => {
    const { breaker } = start({ consecutiveFailures: 20 });
    await fail(breaker, 10);
    expect(breaker.state).toBe('open');
    await jest.advanceTimersByTimeAsync(1_000);
    await probe(breaker, 'success');
    await end(breaker, ...Array.from({ length: 9 }, () => 'success' as const), 'failure');
    expect(breaker.state).toBe('closed');
    expect(breaker.consecutiveFailures).toBe(1);
  });

  it('it is preferred less at first, and not at all after five seconds', async () => {
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

  it('it is preferred like any other at once where no ramp is wanted', async () => {
    const { breaker } = start({ rampMs: 0 });
    await halfOpen(breaker);
    await probe(breaker, 'success');
    expect(breaker.ramp(performance.now())).toBe(0);
  });
});

describe('a breaker that was shut down', () => {
  it('lets nothing through, whatever ends afterwards, and keeps no timer', async () => {
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

it('none of its timers keeps a process alive', () => {
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
