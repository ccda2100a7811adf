import type { DistributedLock } from '../../lib/cluster/health-reports/ports';
import { ProbeLock } from '../../lib/cluster/health-reports/probe-lock';
import { DEFAULTS } from '../../lib/config/defaults';
import { Breaker } from '../../lib/health/breaker';

const OPTIONS = DEFAULTS.breaker;

type Answer = Awaited<ReturnType<DistributedLock['acquire']>>;

const breakers: Breaker[] = [];

/** A breaker of a cluster whose claims are answered as asked. */
function start(answer: () => Promise<Answer> = () => Promise.resolve('granted')) {
  const seen: string[] = [];
  const claims: string[] = [];
  /** Both, as they came. */
  const order: string[] = [];
  const claim = (text: string): void => void (claims.push(text), order.push(text));
  const turn = new ProbeLock(
    'e',
    {
      acquire: (name, holdMs) => {
        claim(`${name} ${holdMs}`);
        return answer();
      },
      release: (name) => claim(`release ${name}`),
    },
    () => seen.push('due'),
    () => 0,
  );
  const listeners = {
    onOpen: (restMs: number, cause: string, stepMs: number) =>
      seen.push(`open ${Math.round(restMs)} of ${stepMs}, ${cause}`),
    onHalfOpen: () => seen.push('half-open'),
    onClose: (cause: string) => void (seen.push(`closed, ${cause}`), order.push(`closed, ${cause}`)),
  };
  const breaker = new Breaker('e', OPTIONS, listeners, () => 0, turn);
  breakers.push(breaker);
  return { breaker, seen, claims, order };
}

const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);

function fail(breaker: Breaker, times: number): void {
  for (let n = 0; n < times; n++) breaker.enter().end('failure');
}

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
});

afterEach(() => {
  for (const breaker of breakers.splice(0)) breaker.shutdown();
  expect(jest.getTimerCount()).toBe(0);
  jest.useRealTimers();
});

describe('a breaker that is told to open', () => {
  it('opens for what is left, and counts no failure', async () => {
    const { breaker, seen } = start();
    fail(breaker, 2);
    expect(breaker.openOnReport(600, 1_000)).toBe(true);
    expect([breaker.state, breaker.canEnter, breaker.consecutiveFailures]).toEqual(['open', false, 2]);
    expect(breaker.msUntilProbe(performance.now())).toBeCloseTo(600);
    await pass(600);
    expect(seen).toEqual(['open 600 of 1000, told', 'half-open']);
  });

  it('starts with the first rest at most, whatever it is told', () => {
    const { breaker, seen } = start();
    breaker.openOnReport(20_000, 20_000);
    expect(seen).toEqual(['open 1000 of 1000, told']);
  });

  it('follows the doubling of the others, a step at a time', async () => {
    const { breaker, seen } = start();
    for (const ms of [1_000, 2_000, 4_000, 20_000, 20_000, 20_000, 20_000]) {
      expect(breaker.openOnReport(ms, ms)).toBe(true);
      await pass(20_000);
    }
    expect(seen.filter((event) => event.startsWith('open'))).toEqual(
      [1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000].map((ms) => `open ${ms} of ${ms}, told`),
    );
  });

  it('doubles from there when its own probe fails', async () => {
    const { breaker, seen } = start();
    breaker.openOnReport(1_000, 1_000);
    await pass(1_000);
    breaker.openOnReport(1_900, 2_000);
    await pass(1_900);
    breaker.enter().end('failure');
    expect(seen.at(-1)).toBe('open 4000 of 4000, shown');
  });

  it('stays open for longer where it is open; that is no new event', async () => {
    const { breaker, seen } = start();
    fail(breaker, 5);
    await pass(900);
    expect(breaker.openOnReport(120, 1_000)).toBe(false);
    expect(breaker.openOnReport(1_500, 2_000)).toBe(true);
    await pass(1_499);
    expect(breaker.state).toBe('open');
    await pass(1);
    expect(seen).toEqual(['open 1000 of 1000, shown', 'half-open']);
    breaker.enter().end('failure');
    expect(seen.at(-1)).toBe('open 4000 of 4000, shown');
  });

  it('does not while its own probe is under way: that will tell', async () => {
    const { breaker, seen } = start();
    fail(breaker, 5);
    await pass(1_000);
    const ticket = breaker.enter();
    expect(await ticket.acquireProbeLock(1_000)).toBe(true);
    expect(breaker.openOnReport(2_000, 2_000)).toBe(false);
    ticket.end('success');
    expect(seen.at(-1)).toBe('closed, shown');
  });

  it('is no longer the same to an attempt of before', () => {
    const { breaker } = start();
    const early = breaker.enter();
    breaker.openOnReport(1_000, 1_000);
    early.end('failure');
    expect(breaker.consecutiveFailures).toBe(0);
  });
});

describe('a breaker that is told to close', () => {
  it('closes and starts from the first rest again', () => {
    const { breaker, seen } = start();
    expect(breaker.closeOnReport()).toBe(false);
    fail(breaker, 5);
    expect(breaker.closeOnReport()).toBe(true);
    expect([breaker.state, breaker.consecutiveFailures]).toEqual(['closed', 0]);
    fail(breaker, 5);
    expect(seen).toEqual(['open 1000 of 1000, shown', 'closed, told', 'open 1000 of 1000, shown']);
  });

  it('by hand is another thing, and none of the next opening`s', () => {
    const { breaker, seen } = start();
    breaker.close();
    fail(breaker, 5);
    breaker.close();
    fail(breaker, 5);
    expect(seen).toEqual(['open 1000 of 1000, shown', 'closed, by-hand', 'open 1000 of 1000, shown']);
  });
});

describe('a probe', () => {
  async function halfOpen(answer?: () => Promise<Answer>) {
    const started = start(answer);
    fail(started.breaker, 5);
    await pass(1_000);
    started.seen.splice(0);
    return started;
  }

  it('asks for its turn for as long as it may last, and gives it back after the news of its end', async () => {
    const { breaker, claims, order } = await halfOpen();
    const ticket = breaker.enter();
    expect(await ticket.acquireProbeLock(4_000)).toBe(true);
    ticket.started();
    expect(order.slice(-3)).toEqual(['probe e 5000', 'closed, shown', 'release probe e']);
    claims.splice(0);
    ticket.end('success');
    expect(claims).toEqual([]);
  });

  it('asks for no more than half a minute: a process that dies keeps the others no longer', async () => {
    const { breaker, claims } = await halfOpen();
    await breaker.enter().acquireProbeLock(300_000);
    expect(claims).toEqual(['probe e 30000']);
  });

  it('is sent where nobody can say whose turn it is, or the question fails', async () => {
    for (const answer of [
      () => Promise.resolve('unknown' as const),
      () => Promise.reject(new Error('gone')),
    ]) {
      const { breaker } = await halfOpen(answer);
      const ticket = breaker.enter();
      expect(await ticket.acquireProbeLock(1_000)).toBe(true);
      ticket.end('success');
      expect(breaker.state).toBe('closed');
    }
  });

  it('that is not sent says nothing; the next may ask ever later', async () => {
    const { breaker, seen, claims } = await halfOpen(() => Promise.resolve('taken'));
    const waits: number[] = [];
    for (let n = 0; n < 8; n++) {
      const ticket = breaker.enter();
      expect(await ticket.acquireProbeLock(1_000)).toBe(false);
      ticket.end('failure');
      expect([breaker.state, breaker.canEnter]).toEqual(['half-open', false]);
      const since = performance.now();
      while (!breaker.canEnter) await pass(25);
      waits.push(performance.now() - since);
    }
    expect(waits).toEqual([100, 150, 225, 350, 525, 775, 1_000, 1_000]);
    expect(seen).toEqual(Array.from({ length: 8 }, () => 'due'));
    expect(claims.filter((claim) => claim.startsWith('release'))).toEqual([]);
  });

  it('that ends before it asked was not sent: the next may go at once', async () => {
    const { breaker, seen, claims } = await halfOpen();
    breaker.enter().end('neutral');
    expect([breaker.state, breaker.canEnter]).toEqual(['half-open', true]);
    expect(await breaker.enter().acquireProbeLock(1_000)).toBe(true);
    expect([seen, claims]).toEqual([[], ['probe e 2000']]);
  });

  it('is sent after five minutes of a turn that is never given back', async () => {
    const { breaker } = await halfOpen(() => Promise.resolve('taken'));
    const since = performance.now();
    for (;;) {
      if (await breaker.enter().acquireProbeLock(1_000)) break;
      while (!breaker.canEnter) await pass(100);
    }
    expect(performance.now() - since).toBeGreaterThanOrEqual(300_000);
    expect(performance.now() - since).toBeLessThan(302_000);
  });

  it('is not sent when it was told to open while it waited, and gives back a turn that comes later', async () => {
    let grant: (answer: Answer) => void = () => undefined;
    const { breaker, claims } = await halfOpen(() => new Promise((resolve) => (grant = resolve)));
    const turn = breaker.enter().acquireProbeLock(1_000);
    expect(breaker.canEnter).toBe(false);
    expect(breaker.openOnReport(1_500, 2_000)).toBe(true);
    grant('granted');
    expect(await turn).toBe(false);
    expect(claims).toEqual(['probe e 2000', 'release probe e']);
  });

  it('is sent like any other attempt when it was told to close while it waited', async () => {
    let grant: (answer: Answer) => void = () => undefined;
    const { breaker } = await halfOpen(() => new Promise((resolve) => (grant = resolve)));
    const turn = breaker.enter().acquireProbeLock(1_000);
    breaker.closeOnReport();
    grant('taken');
    expect(await turn).toBe(true);
  });

  it('waits for no turn while the breaker is closed, or without a cluster', async () => {
    const { breaker, claims } = start();
    expect(breaker.enter().acquireProbeLock(1_000)).toBeUndefined();
    const alone = new Breaker('e', OPTIONS);
    breakers.push(alone);
    fail(alone, 5);
    await pass(1_000);
    expect(alone.enter().acquireProbeLock(1_000)).toBeUndefined();
    expect(claims).toEqual([]);
  });
});
