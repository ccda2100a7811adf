import type { HealthReportsLink } from '../../lib/cluster/health-reports/health-link';
import { ProbeLock } from '../../lib/cluster/health-reports/probe-lock';
import { DEFAULTS } from '../../lib/config/defaults';
import { Breaker } from '../../lib/health/breaker';
import type { BreakerTransition } from '../../lib/health/breaker-types';

const OPTIONS = DEFAULTS.breaker;

type Answer = Awaited<ReturnType<HealthReportsLink['acquire']>>;

const breakers: Breaker[] = [];

/** Starts a breaker whose claims of the probe lock are answered by `answer`. */
function start(answer: () => Promise<Answer> = () => Promise.resolve('granted')) {
  const seen: string[] = [];
  const claims: string[] = [];
  /** Claims, releases and closings in the order in which they occurred. */
  const order: string[] = [];
  const claim = (text: string): void => void (claims.push(text), order.push(text));
  const probeLock = new ProbeLock(
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
  const onTransition = (transition: BreakerTransition): void => {
    if (transition.to === 'half-open') seen.push('half-open');
    else if (transition.to === 'open') {
      const { openMs, stepMs, cause } = transition;
      seen.push(`open ${Math.round(openMs)} of ${stepMs}, ${cause}`);
    } else {
      seen.push(`closed, ${transition.cause}`);
      order.push(`closed, ${transition.cause}`);
    }
  };
  const breaker = new Breaker({ name: 'e', options: OPTIONS, onTransition, random: () => 0, probeLock });
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

describe('Breaker after a peer has reported an opening', () => {
  it('opens for the remaining time', async () => {
    const { breaker, seen } = start();
    fail(breaker, 2);
    expect(breaker.openOnReport(600, 1_000)).toBe(true);
    expect([breaker.state, breaker.canEnter]).toEqual(['open', false]);
    expect(breaker.msUntilProbe(performance.now())).toBeCloseTo(600);
    await pass(600);
    expect(seen).toEqual(['open 600 of 1000, reported', 'half-open']);
  });

  it('opens for at most resetTimeoutMs the first time, whatever the report says', () => {
    const { breaker, seen } = start();
    breaker.openOnReport(20_000, 20_000);
    expect(seen).toEqual(['open 1000 of 1000, reported']);
  });

  it('follows the doubled open times of its peers one step at a time', async () => {
    const { breaker, seen } = start();
    for (const ms of [1_000, 2_000, 4_000, 20_000, 20_000, 20_000, 20_000]) {
      expect(breaker.openOnReport(ms, ms)).toBe(true);
      await pass(20_000);
    }
    expect(seen.filter((event) => event.startsWith('open'))).toEqual(
      [1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000].map((ms) => `open ${ms} of ${ms}, reported`),
    );
  });

  it('doubles the reported time after a failed probe of its own', async () => {
    const { breaker, seen } = start();
    breaker.openOnReport(1_000, 1_000);
    await pass(1_000);
    breaker.openOnReport(1_900, 2_000);
    await pass(1_900);
    breaker.enter().end('failure');
    expect(seen.at(-1)).toBe('open 4000 of 4000, observed');
  });

  it('extends a running opening without a second notification', async () => {
    const { breaker, seen } = start();
    fail(breaker, 5);
    await pass(900);
    expect(breaker.openOnReport(120, 1_000)).toBe(false);
    expect(breaker.openOnReport(1_500, 2_000)).toBe(true);
    await pass(1_499);
    expect(breaker.state).toBe('open');
    await pass(1);
    expect(seen).toEqual(['open 1000 of 1000, observed', 'half-open']);
    breaker.enter().end('failure');
    expect(seen.at(-1)).toBe('open 4000 of 4000, observed');
  });

  it('extends a running opening only by more than 50 ms', () => {
    const { breaker } = start();
    fail(breaker, 5);
    const left = breaker.msUntilProbe(performance.now());
    expect(breaker.openOnReport(left + 50, 1_000)).toBe(false);
    expect(breaker.msUntilProbe(performance.now())).toBe(left);
    expect(breaker.openOnReport(left + 51, 1_000)).toBe(true);
    expect(breaker.msUntilProbe(performance.now())).toBe(left + 51);
  });

  it('changes nothing while its own probe is running', async () => {
    const { breaker, seen } = start();
    fail(breaker, 5);
    await pass(1_000);
    const ticket = breaker.enter();
    expect(await ticket.acquireProbeLock(1_000)).toBe(true);
    expect(breaker.openOnReport(2_000, 2_000)).toBe(false);
    ticket.end('success');
    expect(seen.at(-1)).toBe('closed, observed');
  });

  it('ignores the ends of attempts that began before the report', () => {
    const { breaker } = start();
    const early = breaker.enter();
    breaker.openOnReport(1_000, 1_000);
    early.end('failure');
    expect(breaker.closeOnReport()).toBe(true);
    fail(breaker, 4);
    expect(breaker.state).toBe('closed');
  });
});

describe('Breaker after a recovery was reported', () => {
  it('closes if a peer reports it, and opens for resetTimeoutMs the next time', () => {
    const { breaker, seen } = start();
    expect(breaker.closeOnReport()).toBe(false);
    fail(breaker, 5);
    expect(breaker.closeOnReport()).toBe(true);
    expect(breaker.state).toBe('closed');
    fail(breaker, 5);
    expect(seen).toEqual(['open 1000 of 1000, observed', 'closed, reported', 'open 1000 of 1000, observed']);
  });

  it('notifies a manual close as such, and the next opening as observed', () => {
    const { breaker, seen } = start();
    breaker.close();
    fail(breaker, 5);
    breaker.close();
    fail(breaker, 5);
    expect(seen).toEqual(['open 1000 of 1000, observed', 'closed, manual', 'open 1000 of 1000, observed']);
  });
});

describe('The probe of a breaker in a cluster', () => {
  async function halfOpen(answer?: () => Promise<Answer>) {
    const started = start(answer);
    fail(started.breaker, 5);
    await pass(1_000);
    started.seen.splice(0);
    return started;
  }

  it('claims the probe lock for its own time limit, and releases it after its outcome was reported', async () => {
    const { breaker, claims, order } = await halfOpen();
    const ticket = breaker.enter();
    expect(await ticket.acquireProbeLock(4_000)).toBe(true);
    ticket.started();
    expect(order.slice(-3)).toEqual(['probe e 5000', 'closed, observed', 'release probe e']);
    claims.splice(0);
    ticket.end('success');
    expect(claims).toEqual([]);
  });

  it('claims the lock for at most 30 s, so that a process that dies does not delay its peers for longer', async () => {
    const { breaker, claims } = await halfOpen();
    await breaker.enter().acquireProbeLock(300_000);
    expect(claims).toEqual(['probe e 30000']);
  });

  it('is sent if Redis is unreachable or the claim fails', async () => {
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

  it('is not sent without the lock, changes nothing, and the next claim follows after a growing delay', async () => {
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

  it('counts as not sent if it ends before it claims the lock, and the next probe may be sent at once', async () => {
    const { breaker, seen, claims } = await halfOpen();
    breaker.enter().end('neutral');
    expect([breaker.state, breaker.canEnter]).toEqual(['half-open', true]);
    expect(await breaker.enter().acquireProbeLock(1_000)).toBe(true);
    expect([seen, claims]).toEqual([[], ['probe e 2000']]);
  });

  it('claims the lock also when sent alongside a served call while open, and releases it after a failure', async () => {
    const { breaker, seen, claims } = await halfOpen();
    breaker.enter().end('failure');
    claims.splice(0);
    seen.splice(0);
    await pass(1_000);
    expect([breaker.state, breaker.canProbeBeside(performance.now())]).toEqual(['open', true]);
    const ticket = breaker.enter();
    expect(await ticket.acquireProbeLock(4_000)).toBe(true);
    expect(breaker.openOnReport(20_000, 20_000)).toBe(false);
    ticket.end('failure');
    expect([claims, seen, breaker.state]).toEqual([['probe e 5000', 'release probe e'], [], 'open']);
  });

  it('is not sent alongside a served call while a peer has the lock, and none follows before the gap has passed', async () => {
    const { breaker } = await halfOpen(() => Promise.resolve('taken'));
    breaker.openOnReport(2_000, 2_000);
    await pass(1_000);
    const ticket = breaker.enter();
    expect(await ticket.acquireProbeLock(1_000)).toBe(false);
    ticket.end('neutral');
    expect(breaker.canProbeBeside(performance.now())).toBe(false);
    await pass(900);
    expect([breaker.state, breaker.canProbeBeside(performance.now())]).toEqual(['open', false]);
  });

  it('is sent after five minutes in which the lock was never released', async () => {
    const { breaker } = await halfOpen(() => Promise.resolve('taken'));
    const since = performance.now();
    for (;;) {
      if (await breaker.enter().acquireProbeLock(1_000)) break;
      while (!breaker.canEnter) await pass(100);
    }
    expect(performance.now() - since).toBeGreaterThanOrEqual(300_000);
    expect(performance.now() - since).toBeLessThan(302_000);
  });

  it('is not sent if a peer reports an opening while it waits for the lock, and releases a lock granted late', async () => {
    let grant: (answer: Answer) => void = () => undefined;
    const { breaker, claims } = await halfOpen(() => new Promise((resolve) => (grant = resolve)));
    const lock = breaker.enter().acquireProbeLock(1_000);
    expect(breaker.canEnter).toBe(false);
    expect(breaker.openOnReport(1_500, 2_000)).toBe(true);
    grant('granted');
    expect(await lock).toBe(false);
    expect(claims).toEqual(['probe e 2000', 'release probe e']);
  });

  it('is sent like any other attempt if a peer reports a recovery while it waits for the lock', async () => {
    let grant: (answer: Answer) => void = () => undefined;
    const { breaker } = await halfOpen(() => new Promise((resolve) => (grant = resolve)));
    const lock = breaker.enter().acquireProbeLock(1_000);
    breaker.closeOnReport();
    grant('taken');
    expect(await lock).toBe(true);
  });

  it('is not sent and claims no lock if a peer reports an opening before it asks for the lock', async () => {
    const { breaker, claims } = await halfOpen();
    const ticket = breaker.enter();
    breaker.openOnReport(1_500, 2_000);
    expect(await ticket.acquireProbeLock(1_000)).toBe(false);
    expect(claims).toEqual([]);
  });

  it('is sent like any other attempt if a peer reports a recovery before it asks for the lock', async () => {
    const { breaker, claims } = await halfOpen();
    const ticket = breaker.enter();
    breaker.closeOnReport();
    expect(ticket.acquireProbeLock(1_000)).toBeUndefined();
    expect(claims).toEqual([]);
  });

  it('claims no lock after its end', async () => {
    const { breaker, claims } = await halfOpen();
    const ticket = breaker.enter();
    ticket.end('neutral');
    expect(ticket.acquireProbeLock(1_000)).toBeUndefined();
    expect(claims).toEqual([]);
  });

  it('claims no lock while the breaker is closed or without a cluster', async () => {
    const { breaker, claims } = start();
    expect(breaker.enter().acquireProbeLock(1_000)).toBeUndefined();
    const alone = new Breaker({ name: 'e', options: OPTIONS });
    breakers.push(alone);
    fail(alone, 5);
    await pass(1_000);
    expect(alone.enter().acquireProbeLock(1_000)).toBeUndefined();
    expect(claims).toEqual([]);
  });
});
