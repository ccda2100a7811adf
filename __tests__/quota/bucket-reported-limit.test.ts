import { Bucket } from '../../lib/quota/bucket';

/** A limit of 60,000 per minute hands out 0.98 units per millisecond. */
const RATE = 0.98;

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
});

afterEach(() => {
  jest.useRealTimers();
});

/** A bucket of 9,800 units, full at time 0. */
const tenSeconds = () => new Bucket({ limit: 60_000, burstSeconds: 10 });

describe('A lower limit in headers', () => {
  it('lowers what is handed out, but neither the configured limit nor a level that fits', () => {
    const bucket = tenSeconds();
    bucket.take(8_800, 0);
    bucket.followLimit(6_000);
    expect(bucket.limit).toBeCloseTo(5_880);
    expect(bucket.providerLimit).toBeCloseTo(6_000);
    expect(bucket.configuredLimit).toBe(60_000);
    expect(bucket.rate).toBeCloseTo(0.1 * RATE);
    expect(bucket.level(0)).toBeCloseTo(1_000);
  });

  it('lowers depth and level to one minute of it', () => {
    const bucket = tenSeconds();
    bucket.followLimit(6_000);
    expect(bucket.depth).toBeCloseTo(5_880);
    expect(bucket.level(0)).toBeCloseTo(5_880);
  });

  it('keeps the depth if that is less than one minute of it', () => {
    const bucket = tenSeconds();
    bucket.followLimit(30_000);
    expect(bucket.depth).toBeCloseTo(9_800);
  });

  it('lowers the depth to burstSeconds of it if they exceed a minute', () => {
    const bucket = new Bucket({ limit: 60_000, burstSeconds: 100 });
    bucket.followLimit(30_000);
    expect(bucket.depth).toBeCloseTo(49_000);
  });

  it('expires 45 s after the last headers with it: depth and refill are those of the configured limit again', () => {
    const bucket = tenSeconds();
    bucket.followLimit(6_000);
    jest.advanceTimersByTime(10_000);
    bucket.followLimit(6_000);
    bucket.level(54_999);
    expect([bucket.rate, bucket.depth]).toEqual([expect.closeTo(0.1 * RATE), expect.closeTo(5_880)]);
    bucket.level(55_000);
    expect([bucket.rate, bucket.depth]).toEqual([expect.closeTo(RATE), expect.closeTo(9_800)]);
  });
});

describe('The wait for units under a lower limit in headers', () => {
  it('is that of the lower limit if it ends before the limit expires', () => {
    const bucket = tenSeconds();
    bucket.followLimit(6_000);
    bucket.take(5_880, 0);
    // 39.2 units, 400 ms of the lower limit, stay in the bucket.
    expect(bucket.waitMs(980, 0)).toBeCloseTo((980 + 39.2) / (0.1 * RATE));
  });

  it('is at most the time until the limit expires and that of the configured limit', () => {
    const bucket = tenSeconds();
    bucket.followLimit(6_000);
    bucket.take(5_880, 0);
    expect(bucket.waitMs(5_880, 0)).toBeCloseTo(45_000 + 5_880 / RATE);
  });

  it('is that of the configured limit once the lower one has been withdrawn', () => {
    const bucket = tenSeconds();
    bucket.followLimit(6_000);
    bucket.followLimit(60_000);
    bucket.take(5_880, 0);
    expect(bucket.waitMs(980, 0)).toBeCloseTo((980 + 392) / RATE);
  });
});

describe('Headers of an attempt sent before the limit was lowered', () => {
  it('lower the level to their remaining, as the level at that time is not comparable', () => {
    const bucket = tenSeconds();
    const before = bucket.snapshot(0);
    jest.advanceTimersByTime(1_000);
    bucket.followLimit(6_000);
    bucket.correct(before, 3_000, 1_000);
    expect(bucket.level(1_000)).toBeCloseTo(3_000);
    bucket.correct(before, 5_880, 1_000);
    expect(bucket.level(1_000)).toBeCloseTo(3_000);
  });

  it('teach no external usage if they are those of a refusal', () => {
    const bucket = tenSeconds();
    bucket.correct(bucket.snapshot(0), 9_800, 0);
    jest.advanceTimersByTime(20_000);
    const before = bucket.snapshot(20_000);
    bucket.followLimit(30_000);
    bucket.recordRefusalWithRemaining(100, 20_000, before);
    expect(bucket.rate).toBeCloseTo(0.5 * RATE);
    expect(bucket.level(20_000)).toBeCloseTo(100);
  });
});
