import { FailureRate } from '../../lib/health/failure-rate';

/** The rate while nothing is known. */
const FLOOR = 0.003;

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
});

afterEach(() => {
  jest.useRealTimers();
});

describe('FailureRate', () => {
  it('starts near zero, rises with failures and decays with time', () => {
    const rate = new FailureRate();
    const now = performance.now();
    expect(rate.value(now)).toBeCloseTo(0.003);
    rate.add(true, now);
    expect(rate.value(now)).toBeCloseTo(0.003 + 0.12 * 0.997);
    for (let n = 0; n < 100; n++) rate.add(true, now);
    expect(rate.value(now)).toBeGreaterThan(0.99);
    expect(rate.value(now)).toBeLessThanOrEqual(1);
    expect(rate.value(now + 10_000)).toBeCloseTo(0.003 + 0.997 / Math.E, 2);
    expect(rate.value(now + 600_000)).toBeCloseTo(0.003);
    expect(rate.value(now - 5_000)).toBeLessThanOrEqual(1);
  });

  it('decays with the time since the last attempt, not with the time of day', () => {
    const rate = new FailureRate();
    rate.add(true, 15_000);
    const fresh = rate.value(15_000) - FLOOR;
    expect(rate.value(25_000) - FLOOR).toBeCloseTo(fresh / Math.E, 9);
  });

  it('ignores failures exactly from 20 s after the last attempt', () => {
    const rate = new FailureRate();
    for (let n = 0; n < 10; n++) rate.add(true, 1_000);
    // Until then they have only faded to about an eighth.
    expect(rate.value(20_999)).toBeGreaterThan(0.09);
    expect(rate.value(21_000)).toBe(FLOOR);
  });

  it('is the same after a failure that was taken back as if it had never happened', () => {
    const [rate, without] = [new FailureRate(), new FailureRate()];
    for (let n = 0; n < 3; n++) for (const each of [rate, without]) each.add(true, 0);
    rate.add(true, 0);
    expect(rate.value(0)).toBeGreaterThan(without.value(0));
    rate.takeBackFailure(0);
    expect(rate.value(0)).toBeCloseTo(without.value(0), 9);
  });

  it('does not fall below its floor if a failure is taken back that it has forgotten already', () => {
    const rate = new FailureRate();
    rate.add(true, 0);
    rate.takeBackFailure(30_000);
    expect(rate.value(30_000)).toBe(FLOOR);
  });

  it('returns to its floor at once after a reset', () => {
    const rate = new FailureRate();
    for (let n = 0; n < 10; n++) rate.add(true, 0);
    rate.reset();
    expect(rate.value(0)).toBe(FLOOR);
  });
});
