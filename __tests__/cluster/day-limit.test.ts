import fc from 'fast-check';
import type { ClusterMode } from '../../lib/cluster/options';
import { SharedQuota } from '../../lib/cluster/quota-lease/shared-quota';
import { DayBucket } from '../../lib/quota/day-bucket';
import { REDIS_CLOCK_MS, SimulatedDayLimit } from './simulated-day-limit';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

interface Use {
  /** When it was granted. */
  at: number;
  units: number;
}

/** One process with its bucket and its part of the limit. */
class Account {
  readonly bucket: DayBucket;
  readonly quota: SharedQuota;

  constructor(day: SimulatedDayLimit, limit: number, latencyMs: () => number, members: number) {
    this.bucket = new DayBucket(limit, () => performance.now() + REDIS_CLOCK_MS);
    const terms = { limit: limit / 1_440, depthMs: DAY_MS, observedMs: 0, distanceMs: 0, isDay: true };
    const counter = day.connect(limit, latencyMs, (totals) => this.bucket.setUsed(totals));
    this.quota = new SharedQuota(this.bucket, counter, { depthMs: DAY_MS, isDay: true }, () => undefined);
    this.quota.configure(terms, members);
  }

  waitMs(units: number): number {
    const now = performance.now();
    return this.quota.waitMs(units, this.bucket.waitMs(units, now), now);
  }

  take(units: number) {
    this.bucket.take(units, performance.now());
    return this.quota.reserve(units);
  }

  put(units: number, takenAt: number): void {
    this.bucket.put(units, performance.now(), takenAt);
    this.quota.refund(units, takenAt);
  }
}

/** Processes that share one day limit, and what they were granted. */
class Cluster {
  readonly day = new SimulatedDayLimit();
  readonly used: Use[] = [];
  readonly accounts: Account[];

  constructor(
    count: number,
    readonly limit: number,
    latencyMs = () => 0.4,
  ) {
    this.accounts = Array.from({ length: count }, () => new Account(this.day, limit, latencyMs, count));
    this.#setMode('shared');
  }

  /** Undefined if the process does not grant the units. */
  async call(index: number, units: number): Promise<Use | undefined> {
    const account = this.accounts[index];
    if (!account || account.waitMs(units) > 0) return undefined;
    const request = account.take(units);
    if (request && !(await request.decision)) return undefined;
    const use = { at: performance.now(), units };
    this.used.push(use);
    return use;
  }

  /** The call needed this many units less. */
  giveBack(index: number, use: Use, units: number): void {
    use.units -= units;
    this.accounts[index]?.put(units, use.at);
  }

  setDown(isDown: boolean): void {
    this.day.isDown = isDown;
    this.#setMode(isDown ? 'local-share' : 'shared');
  }

  /** The most units that were used in any 24 hours. */
  get most(): number {
    let [most, sum, first] = [0, 0, 0];
    for (const { at, units } of this.used) {
      sum += units;
      for (; (this.used[first]?.at ?? 0) <= at - DAY_MS; first++) sum -= this.used[first]?.units ?? 0;
      most = Math.max(most, sum);
    }
    return most;
  }

  close(): void {
    for (const { quota } of this.accounts) quota.close();
  }

  /** What `Cluster` does every two seconds. */
  heartbeat(): void {
    for (const { quota } of this.accounts) quota.refresh();
  }

  #setMode(mode: ClusterMode): void {
    for (const { quota } of this.accounts) quota.setMode(mode);
  }
}

const step = fc.record({
  index: fc.nat({ max: 3 }),
  units: fc.integer({ min: 1, max: 40 }),
  afterMs: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 3 }) },
    { weight: 2, arbitrary: fc.integer({ min: 0, max: 3_000 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 9 * HOUR_MS }) },
  ),
  back: fc.double({ min: 0, max: 1, noNaN: true }),
  heldMs: fc.integer({ min: 0, max: 5_000 }),
});

async function runSchedule(
  cluster: Cluster,
  steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[],
) {
  for (const { index, units, afterMs, back, heldMs } of steps) {
    await jest.advanceTimersByTimeAsync(afterMs);
    void cluster.call(index, units).then((use) => {
      if (use) setTimeout(() => cluster.giveBack(index, use, Math.floor(units * back)), heldMs);
    });
  }
  await jest.advanceTimersByTimeAsync(10_000);
}

describe('A limit per day of several processes:', () => {
  it('the limit is kept in any 24 hours under random schedules and with a slow Redis', async () => {
    const schedules = fc.array(step, { minLength: 30, maxLength: 120 });
    await fc.assert(
      fc.asyncProperty(schedules, fc.constantFrom(0.4, 8, 25), async (steps, latencyMs) => {
        const cluster = new Cluster(4, 200, () => latencyMs);
        await runSchedule(cluster, steps);
        expect(cluster.most).toBeLessThanOrEqual(200);
        cluster.close();
      }),
      { numRuns: 120 },
    );
  });

  it('the whole limit is used', async () => {
    const cluster = new Cluster(4, 1_000);
    for (let n = 0; n < 6_000; n++) {
      void cluster.call(n % 4, 1);
      await jest.advanceTimersByTimeAsync(1);
    }
    expect(cluster.used).toHaveLength(1_000);
    cluster.close();
  });

  it('at 500 calls per second fewer than one call in twenty needs a request to Redis', async () => {
    const cluster = new Cluster(2, 1_000_000);
    for (let n = 0; n < 2_000; n++) {
      void cluster.call(n % 2, 1);
      await jest.advanceTimersByTimeAsync(2);
    }
    expect(cluster.used).toHaveLength(2_000);
    expect(cluster.day.requestCount).toBeLessThan(100);
    cluster.close();
  });

  it('leased units that were not used are returned, and an idle process sends nothing', async () => {
    const cluster = new Cluster(2, 1_000);
    for (let n = 0; n < 500; n++) {
      void cluster.call(0, 1);
      await jest.advanceTimersByTimeAsync(2);
    }
    await jest.advanceTimersByTimeAsync(3_000);
    expect(cluster.day.sum).toBe(500);
    const { requestCount } = cluster.day;
    await jest.advanceTimersByTimeAsync(60_000);
    expect(cluster.day.requestCount).toBe(requestCount);
    cluster.close();
  });

  it('units count in the hour in which they are used, even if they were leased before it', async () => {
    const cluster = new Cluster(2, 100_000);
    const now = performance.now() + REDIS_CLOCK_MS;
    const next = Math.ceil(now / HOUR_MS) * HOUR_MS;
    await jest.advanceTimersByTimeAsync(next - now - 500);
    for (let n = 0; n < 500; n++) {
      void cluster.call(n % 2, 1);
      await jest.advanceTimersByTimeAsync(2);
    }
    await jest.advanceTimersByTimeAsync(3_000);
    const usedBefore = cluster.used.filter(({ at }) => at + REDIS_CLOCK_MS < next).length;
    expect(cluster.day.at(next / HOUR_MS - 1)).toBe(usedBefore);
    expect(cluster.day.at(next / HOUR_MS)).toBe(500 - usedBefore);
    cluster.close();
  });

  it('a process that starts later learns what has been used before it grants anything', async () => {
    const cluster = new Cluster(1, 10);
    for (let n = 0; n < 10; n++) void cluster.call(0, 1);
    await jest.advanceTimersByTimeAsync(10);
    expect(cluster.used).toHaveLength(10);
    const late = new Account(cluster.day, 10, () => 1, 1);
    const request = late.take(1);
    await jest.advanceTimersByTimeAsync(500);
    expect(request?.state).toBe('waiting');
    late.quota.setMode('shared');
    await jest.advanceTimersByTimeAsync(5);
    await late.quota.ready.promise;
    expect(request?.state).toBe('refused');
    expect(late.bucket.level(performance.now())).toBe(0);
    expect(late.waitMs(1)).toBeGreaterThan(23 * HOUR_MS);
    late.quota.close();
    cluster.close();
  });

  it('at most 110 % is used with outages of Redis, in which each process has its share of what was left', async () => {
    const times = fc.array(fc.integer({ min: 1, max: 60_000 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 60, maxLength: 150 }), times, async (steps, outages) => {
        const cluster = new Cluster(4, 2_000);
        await jest.advanceTimersByTimeAsync(10);
        const size = Math.ceil(steps.length / (outages.length + 1));
        for (const [nth, outageMs] of [0, ...outages].entries()) {
          if (outageMs > 0) {
            cluster.setDown(true);
            for (let n = 0; n < 200; n++) void cluster.call(n % 4, 20);
            await jest.advanceTimersByTimeAsync(outageMs);
            cluster.setDown(false);
          }
          await runSchedule(cluster, steps.slice(nth * size, (nth + 1) * size));
        }
        expect(cluster.most).toBeLessThanOrEqual(2_200);
        cluster.close();
      }),
      { numRuns: 60 },
    );
  });

  it('usage during an outage is counted once afterwards, even if the last reply before it was lost', async () => {
    const cluster = new Cluster(2, 100, () => 10);
    await jest.advanceTimersByTimeAsync(20);
    const calls = [cluster.call(0, 10), cluster.call(1, 10)];
    await jest.advanceTimersByTimeAsync(7);
    expect(cluster.day.sum).toBe(20);
    cluster.setDown(true);
    await Promise.all(calls);
    void cluster.call(0, 5);
    await jest.advanceTimersByTimeAsync(5_000);
    cluster.setDown(false);
    await jest.advanceTimersByTimeAsync(5_000);
    expect(cluster.used.reduce((sum, { units }) => sum + units, 0)).toBe(25);
    expect(cluster.day.sum).toBe(25);
    cluster.close();
  });

  it('the processes restore the counter if Redis has lost it', async () => {
    const cluster = new Cluster(3, 100);
    for (let n = 0; n < 60; n++) void cluster.call(n % 3, 1);
    await jest.advanceTimersByTimeAsync(2_000);
    cluster.heartbeat();
    await jest.advanceTimersByTimeAsync(10);
    cluster.day.flush();
    for (let n = 0; n < 90; n++) void cluster.call(n % 3, 1);
    await jest.advanceTimersByTimeAsync(2_000);
    expect(cluster.used).toHaveLength(100);
    expect(cluster.day.sum).toBe(100);
    cluster.close();
  });

  it('the whole limit is used, and at most 110 % of it, when Redis restarts empty', async () => {
    const cluster = new Cluster(3, 240);
    for (let n = 0; n < 430; n++) {
      if (n === 95) {
        cluster.setDown(true);
        cluster.day.flush();
      }
      if (n === 180) cluster.setDown(false);
      void cluster.call(n % 3, 1);
      await jest.advanceTimersByTimeAsync(8);
    }
    await jest.advanceTimersByTimeAsync(2_000);
    expect(cluster.used.length).toBeGreaterThanOrEqual(238);
    expect(cluster.used.length).toBeLessThanOrEqual(264);
    // The first process to return may not have known the last units that its peers claimed before the loss.
    expect(Math.abs(cluster.day.sum - cluster.used.length)).toBeLessThanOrEqual(3);
    cluster.close();
  });

  it('while Redis is unreachable, "closed" grants nothing and "open" grants the whole limit to each process', async () => {
    const cluster = new Cluster(2, 100);
    await jest.advanceTimersByTimeAsync(10);
    const [closed, open] = cluster.accounts;
    closed?.quota.setMode('closed');
    open?.quota.setMode('open');
    expect(closed?.waitMs(1)).toBeGreaterThan(0);
    expect(open?.waitMs(100)).toBe(0);
    cluster.close();
  });
});
