import { Bucket } from '../../lib/quota/bucket';
import { DayBucket } from '../../lib/quota/day-bucket';
import { Quota } from '../../lib/quota/quota';
import { Reservation } from '../../lib/quota/reservation';

const HOUR_MS = 3_600_000;

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
});

afterEach(() => {
  jest.useRealTimers();
});

describe('Bucket', () => {
  it('hands out 98 % of the limit and holds burstSeconds of it', () => {
    const bucket = new Bucket({ limit: 60_000, burstSeconds: 10 });
    expect(bucket.depth).toBeCloseTo(9_800);
    expect(bucket.level(performance.now())).toBeCloseTo(9_800);
    expect(bucket.rate).toBeCloseTo(0.98);
    expect(bucket.providerLimit).toBeCloseTo(60_000);
  });

  it('admits a call larger than the depth only when full, which leaves a debt that the refill pays off', () => {
    const bucket = new Bucket({ limit: 60_000, burstSeconds: 10 });
    const now = performance.now();
    bucket.take(1, now);
    expect(bucket.waitMs(20_000, now)).toBeGreaterThan(0);
    jest.advanceTimersByTime(2);
    expect(bucket.waitMs(20_000, performance.now())).toBe(0);
    bucket.take(20_000, performance.now());
    expect(bucket.level(performance.now())).toBeCloseTo(-10_200);
    // 400 ms of the limit stay in the bucket, for calls that a stalled event loop sends late.
    expect(bucket.waitMs(98, performance.now())).toBeCloseTo((10_298 + 392) / 0.98);
    jest.advanceTimersByTime(Math.ceil((10_298 + 392) / 0.98));
    expect(bucket.waitMs(98, performance.now())).toBe(0);
    expect(bucket.waitMs(20_000, performance.now())).toBeGreaterThan(9_000);
  });

  it('smaller than one call still admits calls at the rate of its limit', () => {
    const bucket = new Bucket({ limit: 3, burstSeconds: 10 });
    const sent: number[] = [];
    const start = performance.now();
    for (let second = 0; second < 180; second++) {
      if (bucket.waitMs(1, performance.now()) === 0) {
        bucket.take(1, performance.now());
        sent.push(performance.now() - start);
      }
      jest.advanceTimersByTime(1_000);
    }
    expect(sent.length).toBeGreaterThanOrEqual(8);
    expect(sent.length).toBeLessThanOrEqual(9);
    expect(sent[1]! - sent[0]!).toBeGreaterThan(20_000);
  });

  it('keeps its level when the clock jumps back', () => {
    const bucket = new Bucket({ limit: 60_000, burstSeconds: 10 });
    const now = performance.now();
    bucket.take(5_000, now);
    expect(bucket.level(now - 60_000)).toBeCloseTo(4_800);
    expect(bucket.level(now)).toBeCloseTo(4_800);
    expect(bucket.level(now + 1_000)).toBeCloseTo(5_780);
  });

  it('keeps its level and debt when the limit changes, so that a reload refills nothing', () => {
    const bucket = new Bucket({ limit: 60_000, burstSeconds: 10 });
    const now = performance.now();
    bucket.take(19_600, now);
    bucket.configure({ limit: 120_000, burstSeconds: 10 });
    expect(bucket.level(now)).toBeCloseTo(-9_800);
    bucket.configure({ limit: 6_000, burstSeconds: 10 });
    jest.advanceTimersByTime(600_000);
    expect(bucket.level(performance.now())).toBeCloseTo(980);
  });

  it('corrects a deviation once, even if the headers of many concurrent attempts show it', () => {
    const bucket = new Bucket({ limit: 60_000, burstSeconds: 10 });
    const now = performance.now();
    const snapshots = Array.from({ length: 10 }, () => {
      bucket.take(100, now);
      return bucket.snapshot(now);
    });
    const before = bucket.level(now);
    // Another process had taken 500 tokens before any of our attempts.
    for (const snapshot of snapshots) bucket.correct(snapshot, snapshot.level - 500, now);
    expect(bucket.level(now)).toBeCloseTo(before - 500);
  });

  it('raises its level by half of the surplus that a header shows, less the 2 % that are never handed out', () => {
    const bucket = new Bucket({ limit: 60_000, burstSeconds: 10 });
    const now = performance.now();
    bucket.take(4_000, now);
    bucket.correct(bucket.snapshot(now), 7_800, now);
    expect(bucket.level(now)).toBeCloseTo(5_800 + (2_000 - 1_200) / 2);
  });

  it('gets deeper if a header shows more than its depth, up to one minute of the limit', () => {
    const bucket = new Bucket({ limit: 60_000, burstSeconds: 10 });
    const now = performance.now();
    bucket.correct(bucket.snapshot(now), 30_000, now);
    expect(bucket.depth).toBeCloseTo(30_000);
    bucket.correct(bucket.snapshot(now), 500_000, now);
    expect(bucket.depth).toBeCloseTo(58_800);
  });

  it('slows its refill to 80 % on a refusal without headers, at most every 2 s, and recovers by 0.3 per minute', () => {
    const bucket = new Bucket({ limit: 60_000, burstSeconds: 10 });
    const full = bucket.rate;
    for (let n = 0; n < 5; n++) bucket.recordRefusal(performance.now());
    expect(bucket.level(performance.now())).toBe(0);
    expect(bucket.rate / full).toBeCloseTo(0.8);
    jest.advanceTimersByTime(2_000);
    bucket.recordRefusal(performance.now());
    expect(bucket.rate / full).toBeCloseTo(0.81 * 0.8);
    jest.advanceTimersByTime(30_000);
    bucket.level(performance.now());
    expect(bucket.rate / full).toBeCloseTo(0.648 + 0.15);
    jest.advanceTimersByTime(60_000);
    bucket.level(performance.now());
    expect(bucket.rate).toBe(full);
  });

  it('follows a lower limit in headers, but not a higher one', () => {
    const bucket = new Bucket({ limit: 60_000, burstSeconds: 10 });
    bucket.followLimit(30_000);
    expect(bucket.rate).toBeCloseTo(0.49);
    bucket.followLimit(600_000);
    expect(bucket.rate).toBeCloseTo(0.98);
  });
});

describe('DayBucket', () => {
  it('limits units over any 24 hours', () => {
    const window = new DayBucket(10);
    const now = performance.now();
    window.take(10, now);
    expect(window.waitMs(1, now)).toBeGreaterThanOrEqual(24 * HOUR_MS);
    expect(window.waitMs(1, now + 24 * HOUR_MS - 1)).toBeGreaterThan(0);
    expect(window.waitMs(10, now + 25 * HOUR_MS)).toBe(0);
    expect(window.waitMs(11, now)).toBe(Infinity);
  });

  it('never exceeds its limit when units are returned that were taken in an earlier hour', () => {
    const MINUTE_MS = 60_000;
    const window = new DayBucket(200);
    const start = Math.ceil(performance.now() / HOUR_MS) * HOUR_MS;
    const at = (minute: number) => start + minute * MINUTE_MS;
    window.take(100, at(59));
    window.take(100, at(61));
    window.put(100, at(62), at(59));
    expect(window.level(at(62))).toBe(100);
    // The second hundred units are less than a day old.
    expect(window.level(at(25 * 60))).toBe(100);
    expect(window.level(at(26 * 60))).toBe(200);
  });

  it('keeps what was used when the limit changes', () => {
    const window = new DayBucket(10);
    window.take(8, performance.now());
    window.limit = 5;
    expect(window.level(performance.now())).toBe(-3);
  });

  it('is full again after the process was suspended for days', () => {
    const window = new DayBucket(10);
    window.take(10, performance.now());
    expect(window.level(performance.now() + 1_000 * HOUR_MS)).toBe(10);
  });
});

describe('Quota', () => {
  const cost = { input: 300, output: 200 };

  it('waits for the scarcest of its limits', () => {
    const quota = new Quota('q', { rpm: 6, tpm: 60_000 }, 10);
    const now = performance.now();
    expect(quota.waitMs(cost, now)).toBe(0);
    quota.take(cost, now);
    expect(quota.waitMs(cost, now)).toBeCloseTo(10_000 / 0.98);
    expect(quota.tokensLeft(now)).toBe(9_300);
    expect(quota.requestsPerMs).toBeCloseTo(0.000098);
    expect(quota.tokensPerMs).toBeCloseTo(0.98);
  });

  it('can limit input and output tokens separately', () => {
    const quota = new Quota('q', { inputTpm: 60_000, outputTpm: 6_000 }, 10);
    const now = performance.now();
    quota.take({ input: 9_000, output: 100 }, now);
    expect(quota.tokensLeft(now)).toBe(800);
    expect(quota.waitMs({ input: 900, output: 0 }, now)).toBeGreaterThan(0);
    expect(quota.waitMs({ input: 10, output: 800 }, now)).toBe(0);
    expect(quota.waitMs({ input: 10, output: 900 }, now)).toBeGreaterThan(0);
  });

  it('never waits and reports nothing as left without limits', () => {
    const quota = new Quota('q', {}, 10);
    const now = performance.now();
    for (let n = 0; n < 100; n++) quota.take({ input: 1e9, output: 1e9 }, now);
    expect(quota.waitMs({ input: 1e9, output: 0 }, now)).toBe(0);
    expect([quota.requestsLeft(now), quota.tokensLeft(now)]).toEqual([undefined, undefined]);
    expect(quota.tokensPerMs).toBe(Infinity);
  });

  it('reports a call as exceeding a limit if it is larger than one minute of the limit, not just than the depth', () => {
    const quota = new Quota('q', { tpm: 30_000, tpd: 100_000 }, 10);
    expect(quota.exceededBy({ input: 29_000, output: 1_000 })).toBeUndefined();
    expect(quota.exceededBy({ input: 29_000, output: 1_001 })).toEqual({
      limit: 'tokens per minute',
      units: 30_001,
      allowed: 30_000,
    });
  });

  it('limits requests and tokens per day', () => {
    const quota = new Quota('q', { rpd: 2, tpd: 1_000 }, 10);
    const now = performance.now();
    const first = new Reservation([quota], cost, () => false, now);
    new Reservation([quota], cost, () => false, now);
    expect(quota.waitMs(cost, now)).toBeGreaterThan(HOUR_MS);
    first.settle({ kind: 'returned' }, now);
    expect(quota.waitMs(cost, now)).toBe(0);
    expect([quota.requestsLeft(now), quota.tokensLeft(now)]).toEqual([1, 500]);
  });

  it('has a debt after usage above the reservation', () => {
    const quota = new Quota('q', { tpm: 60_000 }, 10);
    const now = performance.now();
    const reservation = new Reservation([quota], { input: 5_000, output: 4_000 }, () => false, now);
    reservation.settle({ kind: 'used', usage: { input: 5_000, output: 6_000 } }, now);
    expect(quota.tokensLeft(now)).toBe(-1_200);
  });

  it('gets nothing back if the provider charges what was reserved', () => {
    const quota = new Quota('q', { tpm: 60_000 }, 10);
    const now = performance.now();
    const reserved = new Reservation([quota], { input: 500, output: 4_000 }, () => true, now);
    reserved.settle({ kind: 'used', usage: { input: 500, output: 10 } }, now);
    expect(quota.tokensLeft(now)).toBe(5_300);
    const beyond = new Reservation([quota], { input: 500, output: 500 }, () => true, now);
    beyond.settle({ kind: 'used', usage: { input: 900, output: 500 } }, now);
    expect(quota.tokensLeft(now)).toBe(3_900);
  });
});
