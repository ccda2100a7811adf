import fc from 'fast-check';
import { Observer } from '../../bench/quota/observer';
import type { ClusterMode } from '../../lib/cluster/options';
import { limiterDepthMs } from '../../lib/cluster/quota-lease/lease-terms';
import { SharedQuota } from '../../lib/cluster/quota-lease/shared-quota';
import { Bucket } from '../../lib/quota/bucket';
import type { GrantRequest } from '../../lib/util/grant-request';
import { SimulatedLimiter } from './simulated-limiter';

const LIMIT = 6_000;
const BURST_SECONDS = 10;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
  // The random pauses of a drained limiter are the same in each run.
  let seed = 7;
  jest.spyOn(Math, 'random').mockImplementation(() => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  });
});
afterEach(() => {
  jest.restoreAllMocks();
  jest.useRealTimers();
});

/** One process with its bucket and shared quota. */
class Process {
  readonly bucket: Bucket;
  readonly quota: SharedQuota;
  /** Requests that have waited for Redis, oldest first. */
  readonly requests: GrantRequest[] = [];
  admitted = 0;
  refused = 0;

  constructor(
    limiter: SimulatedLimiter,
    members: number,
    latencyMs: () => number,
    readonly onAdmit: (units: number) => void = () => undefined,
  ) {
    this.bucket = new Bucket({ limit: LIMIT, burstSeconds: BURST_SECONDS }, (units) =>
      this.quota.correct(units),
    );
    const terms = {
      limit: this.bucket.limit,
      depthMs: BURST_SECONDS * 1_000,
      observedMs: 0,
      distanceMs: 0,
      isDay: false,
    };
    const { depthMs, isDay } = terms;
    const reservoir = limiter.connect(latencyMs);
    this.quota = new SharedQuota(this.bucket, reservoir, { depthMs, isDay }, () => undefined);
    this.quota.configure(terms, members);
  }

  setMembers(members: number): void {
    const terms = {
      limit: this.bucket.limit,
      depthMs: BURST_SECONDS * 1_000,
      observedMs: 0,
      distanceMs: 0,
      isDay: false,
    };
    this.quota.configure(terms, members);
  }

  waitMs(units: number): number {
    const now = performance.now();
    return this.quota.waitMs(units, this.bucket.waitMs(units, now), now);
  }

  /** Whether it was admitted. */
  async tryAdmit(units: number): Promise<boolean> {
    if (this.waitMs(units) > 0) return false;
    this.bucket.take(units, performance.now());
    const request = this.quota.reserve(units);
    if (request) this.requests.push(request);
    if (request && !(await request.decision)) {
      this.refused++;
      return false;
    }
    this.admitted += units;
    this.onAdmit(units);
    return true;
  }

  /** The deadline of the call that has waited longest for Redis ends. */
  cancelFirst(): void {
    this.requests.find(({ state }) => state === 'waiting')?.cancel();
  }

  /** Admits as many calls as it may until then. */
  async work(until: number, units: () => number): Promise<void> {
    while (performance.now() < until) {
      const size = units();
      if (await this.tryAdmit(size)) continue;
      this.quota.prefetch(size, performance.now());
      // Like a queue: it tries again when there may be quota, and once in a while.
      const wait = Math.min(Math.max(1, this.waitMs(size)), 250);
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

function start(count: number, onAdmit?: (units: number) => void, latencyMs = () => 0.4) {
  const bucketLimit = new Bucket({ limit: LIMIT, burstSeconds: BURST_SECONDS }).limit;
  const limiter = new SimulatedLimiter(
    bucketLimit,
    limiterDepthMs(
      { limit: LIMIT, depthMs: BURST_SECONDS * 1_000, observedMs: 0, distanceMs: 0, isDay: false },
      count,
    ),
  );
  const processes = Array.from({ length: count }, () => new Process(limiter, count, latencyMs, onAdmit));
  const setMode = (mode: ClusterMode): void => {
    for (const { quota } of processes) quota.setMode(mode);
  };
  const close = (): void => {
    for (const { quota } of processes) quota.close();
  };
  return { limiter, processes, setMode, close };
}

async function run<T>(work: Promise<T>, ms: number): Promise<T> {
  await jest.advanceTimersByTimeAsync(ms);
  return work;
}

describe('SharedQuota: several processes', () => {
  it('use the whole limit without exceeding it in any window, whatever the sizes of their calls', async () => {
    const observer = new Observer();
    const { processes, setMode, limiter, close } = start(4, (units) =>
      observer.admit(performance.now(), units),
    );
    setMode('shared');
    const until = performance.now() + 40_000;
    let next = 0;
    const sizes = [10, 40, 25, 90, 5, 300];
    const work = processes.map((process) => process.work(until, () => sizes[next++ % sizes.length] ?? 10));
    await run(Promise.all(work), 45_000);
    close();
    const depth = (LIMIT / 60) * BURST_SECONDS;
    expect(observer.depthNeeded(LIMIT)).toBeLessThanOrEqual(depth);
    const total = processes.reduce((sum, { admitted }) => sum + admitted, 0);
    expect(total).toBeGreaterThan(0.9 * (depth + (LIMIT / 60) * 40));
    // No process starves.
    for (const { admitted } of processes) expect(admitted).toBeGreaterThan(total / 20);
    expect(limiter.requestCount).toBeLessThan(4 * (40_000 / 100));
  });

  it('need few requests to Redis: even a single process uses nearly the whole limit through leases', async () => {
    const { processes, setMode, limiter, close } = start(1);
    setMode('shared');
    const [alone] = processes;
    await run(alone?.work(performance.now() + 30_000, () => 2) ?? Promise.resolve(), 32_000);
    close();
    expect(alone?.admitted).toBeGreaterThan(0.95 * (900 + 0.98 * 100 * 30));
    // Redis counts whole units: a request asks for as many as have come in.
    expect(limiter.requestCount).toBeLessThan((alone?.admitted ?? 0) / 2 / 3.5);
  });

  it('take the whole cost from a limiter that has been full for a while', async () => {
    const { processes, setMode, limiter, close } = start(2);
    setMode('shared');
    await jest.advanceTimersByTimeAsync(60_000);
    const full = limiter.level;
    await run(Promise.all([processes[0]?.tryAdmit(500)]), 5);
    expect(limiter.level).toBeLessThanOrEqual(full - 500);
    close();
  });

  it('let a large call gather its units even if peers send small ones', async () => {
    const { processes, setMode, close } = start(3);
    setMode('shared');
    const until = performance.now() + 60_000;
    const [large] = processes;
    const work = processes.map((process) => process.work(until, () => (process === large ? 700 : 10)));
    await run(Promise.all(work), 65_000);
    close();
    expect(large?.admitted).toBeGreaterThanOrEqual(1_400);
  });

  it('return units that are not used', async () => {
    const { processes, setMode, limiter, close } = start(2);
    setMode('shared');
    await run(Promise.all([processes[0]?.tryAdmit(10)]), 100);
    const before = limiter.level;
    processes[0]?.bucket.put(10, performance.now());
    processes[0]?.quota.refund(10, performance.now());
    await jest.advanceTimersByTimeAsync(10_000);
    await run(Promise.all([processes[1]?.tryAdmit(1)]), 10);
    expect(limiter.level).toBeGreaterThan(before);
    close();
  });

  it('report usage above the estimate, and corrections by headers, which never make the level negative', async () => {
    const { processes, setMode, limiter, close } = start(2);
    setMode('shared');
    const [one, other] = processes;
    await run(Promise.all([one?.tryAdmit(10), other?.tryAdmit(10)]), 100);
    one?.bucket.take(400, performance.now());
    one?.quota.overdraw(400);
    await jest.advanceTimersByTimeAsync(400);
    expect(limiter.level).toBeLessThan(600);
    one?.quota.correct(-300);
    await jest.advanceTimersByTimeAsync(400);
    expect(limiter.level).toBeLessThan(350);
    one?.quota.correct(-5_000);
    await jest.advanceTimersByTimeAsync(300);
    expect(limiter.level).toBeGreaterThanOrEqual(-1);
    close();
  });
});

describe('SharedQuota: a small call behind a large one that waits for Redis', () => {
  it('is decided with it if the reply covers only the small one', async () => {
    const { processes, setMode, close } = start(2, undefined, () => 30);
    setMode('shared');
    const [one, other] = processes;
    await run(Promise.all([other?.tryAdmit(700)]), 100);
    void one?.tryAdmit(400);
    await jest.advanceTimersByTimeAsync(10);
    void one?.tryAdmit(1);
    await jest.advanceTimersByTimeAsync(20);
    expect(one?.requests.map(({ state }) => state)).toEqual(['refused', 'granted']);
    close();
  });

  it("is admitted at once if the large one's deadline ends and the lease covers the small one", async () => {
    const { processes, setMode, limiter, close } = start(2);
    setMode('shared');
    const [one] = processes;
    await run(Promise.all([one?.tryAdmit(10)]), 100);
    limiter.isDown = true;
    void one?.tryAdmit(400);
    void one?.tryAdmit(1);
    await jest.advanceTimersByTimeAsync(10);
    one?.cancelFirst();
    expect(one?.requests.slice(-2).map(({ state }) => state)).toEqual(['refused', 'granted']);
    close();
  });
});

describe('SharedQuota: while Redis is unreachable', () => {
  it('each process continues with its share at once, and reports its usage afterwards', async () => {
    const observer = new Observer();
    const { processes, setMode, limiter, close } = start(4, (units) =>
      observer.admit(performance.now(), units),
    );
    setMode('shared');
    const until = performance.now() + 40_000;
    const work = processes.map((process) => process.work(until, () => 10));
    await jest.advanceTimersByTimeAsync(12_000);
    limiter.isDown = true;
    setMode('local-share');
    await jest.advanceTimersByTimeAsync(10_000);
    limiter.isDown = false;
    setMode('shared');
    await run(Promise.all(work), 22_000);
    close();
    const total = processes.reduce((sum, { admitted }) => sum + admitted, 0);
    expect(observer.depthNeeded(LIMIT)).toBeLessThanOrEqual(1.1 * (LIMIT / 60) * BURST_SECONDS);
    expect(total).toBeGreaterThan(0.9 * (LIMIT / 60) * 50);
  });

  it("a process's share follows the number of processes, and all usage is reported afterwards", async () => {
    const { processes, setMode, limiter, close } = start(1);
    setMode('shared');
    const [alone] = processes;
    await run(alone?.work(performance.now() + 12_000, () => 10) ?? Promise.resolve(), 12_500);
    limiter.isDown = true;
    setMode('local-share');
    const admittedIn = async (members: number, ms: number) => {
      alone?.setMembers(members);
      const before = alone?.admitted ?? 0;
      await run(alone?.work(performance.now() + ms, () => 10) ?? Promise.resolve(), ms + 500);
      return (alone?.admitted ?? 0) - before;
    };
    await admittedIn(1, 10_000);
    const half = await admittedIn(2, 10_000);
    const fifth = await admittedIn(5, 10_000);
    const whole = await admittedIn(1, 10_000);
    const perTenSeconds = (LIMIT / 60) * 10;
    expect(half / perTenSeconds).toBeGreaterThan(0.4);
    expect(half / perTenSeconds).toBeLessThan(0.55);
    expect(fifth / perTenSeconds).toBeLessThan(0.25);
    expect(whole / perTenSeconds).toBeGreaterThan(0.85);
    limiter.isDown = false;
    setMode('shared');
    await jest.advanceTimersByTimeAsync(300);
    // It has refilled to about 975 units by itself; the report takes what was used meanwhile.
    expect(limiter.level).toBeLessThan(300);
    close();
  });

  it('a call that was waiting for Redis starts at once', async () => {
    const { processes, setMode, limiter, close } = start(2);
    setMode('shared');
    await jest.advanceTimersByTimeAsync(100);
    limiter.isDown = true;
    const admitted = processes[0]?.tryAdmit(20);
    await jest.advanceTimersByTimeAsync(0);
    setMode('local-share');
    await expect(admitted).resolves.toBe(true);
    close();
  });

  it("no call starts with 'closed', and each process has the whole limit with 'open'", async () => {
    const { processes, setMode, close } = start(2);
    setMode('closed');
    const [one, other] = processes;
    await expect(one?.tryAdmit(1)).resolves.toBe(false);
    expect(one?.waitMs(1)).toBeGreaterThan(0);
    setMode('shared');
    await jest.advanceTimersByTimeAsync(2_000);
    setMode('open');
    const until = performance.now() + 20_000;
    await run(Promise.all([one?.work(until, () => 5), other?.work(until, () => 5)]), 22_000);
    close();
    expect(one?.admitted).toBeGreaterThan(0.9 * 2_000);
    expect(other?.admitted).toBeGreaterThan(0.9 * 2_000);
  });
});

type Action = 'admit' | 'cancel' | 'return' | 'overdraw' | 'correct' | 'cut' | 'outage' | 'back';

interface Step {
  readonly what: Action;
  readonly who: number;
  readonly units: number;
  readonly pauseMs: number;
}

describe('SharedQuota: under random schedules', () => {
  const steps: fc.Arbitrary<readonly Step[]> = fc.array(
    fc.record({
      what: fc.constantFrom<Action[]>(
        'admit',
        'admit',
        'admit',
        'admit',
        'cancel',
        'return',
        'overdraw',
        'correct',
        'cut',
        'outage',
        'back',
      ),
      who: fc.nat(2),
      units: fc.integer({ min: 1, max: 400 }),
      // Short pauses overlap with round trips.
      pauseMs: fc.oneof(fc.integer({ min: 0, max: 1_500 }), fc.integer({ min: 0, max: 40 })),
    }),
    { minLength: 10, maxLength: 60 },
  );
  const admit = (who: number, units: number, pauseMs: number): Step => ({
    what: 'admit',
    who,
    units,
    pauseMs,
  });
  /** The reply refuses the 344 units of process 2 and covers the unit that it asked for meanwhile. */
  const smallBehindRefused: readonly Step[] = [
    admit(0, 1, 0),
    admit(0, 1, 0),
    admit(0, 1, 0),
    admit(0, 1, 0),
    admit(0, 214, 0),
    admit(0, 330, 40),
    admit(2, 344, 8),
    admit(0, 1, 6),
    admit(0, 1, 4),
    admit(2, 1, 0),
  ];

  it('every request is decided, and no level exceeds the bucket depth', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 0, max: 60 }), async (schedule, latency) => {
        const { processes, setMode, limiter, close } = start(3, undefined, () => latency);
        setMode('shared');
        let waiting = 0;
        for (const { what, who, units, pauseMs } of schedule) {
          const process = processes[who];
          if (!process) continue;
          if (what === 'admit') {
            waiting++;
            void process.tryAdmit(units).finally(() => waiting--);
          } else if (what === 'cancel') {
            process.cancelFirst();
          } else if (what === 'return' && process.admitted >= units) {
            process.admitted -= units;
            process.bucket.put(units, performance.now());
            process.quota.refund(units, performance.now());
          } else if (what === 'overdraw') {
            process.bucket.take(units, performance.now());
            process.quota.overdraw(units);
          } else if (what === 'correct') {
            process.quota.correct(units - 200);
          } else if (what === 'cut') {
            // Not noticed yet: the mode stays the same.
            limiter.isDown = true;
          } else if (what === 'outage' || what === 'back') {
            limiter.isDown = what === 'outage';
            setMode(limiter.isDown ? 'local-share' : 'shared');
          }
          await jest.advanceTimersByTimeAsync(pauseMs);
          const now = performance.now();
          for (const { bucket } of processes) {
            const level = bucket.level(now);
            expect(Number.isFinite(level)).toBe(true);
            expect(level).toBeLessThanOrEqual(bucket.depth + 1e-6);
          }
          expect(Number.isSafeInteger(limiter.level)).toBe(true);
        }
        if (limiter.isDown) setMode('local-share');
        await jest.advanceTimersByTimeAsync(10_000);
        expect(waiting).toBe(0);
        close();
      }),
      { numRuns: 40, examples: [[smallBehindRefused, 36]] },
    );
  });
});
