import { FailureRate } from '../../lib/health/failure-rate';

const FLOOR = 0.003;

describe('FailureRate', () => {
  beforeEach(() => jest.useFakeTimers({ now: 0 }));
  afterEach(() => jest.useRealTimers());

  const rateAfter = (outcomes: readonly boolean[], now: number): FailureRate => {
    const rate = new FailureRate();
    for (const isFailure of outcomes) rate.add(isFailure, now);
    return rate;
  };

  it('moves 12 % of the way to 1 with a failure, and to 0 with a success', () => {
    expect(rateAfter([true], 0).value(0)).toBeCloseTo(FLOOR + 0.12 * (1 - FLOOR), 10);
    const [before, after] = [rateAfter([true], 0), rateAfter([true, false], 0)];
    expect(after.value(0)).toBeCloseTo(0.88 * before.value(0), 10);
  });

  it('decays by a factor of e in ten seconds, and to exactly the floor in twenty', () => {
    const rate = rateAfter([true], 5_000);
    const fresh = rate.value(5_000) - FLOOR;
    expect(rate.value(15_000)).toBeCloseTo(FLOOR + fresh / Math.E, 10);
    expect(rate.value(24_999)).toBeGreaterThan(FLOOR + fresh / 10);
    expect(rate.value(25_000)).toBe(FLOOR);
  });

  it('does not grow if the clock goes back', () => {
    const rate = rateAfter([true], 5_000);
    expect(rate.value(0)).toBe(rate.value(5_000));
  });

  it('is what it was before a failure that is taken back, and at least the floor', () => {
    const rate = rateAfter([true, true], 1_000);
    rate.takeBackFailure(1_000);
    expect(rate.value(1_000)).toBeCloseTo(rateAfter([true], 1_000).value(1_000), 10);
    rate.takeBackFailure(1_000);
    rate.takeBackFailure(1_000);
    expect(rate.value(1_000)).toBe(FLOOR);
  });

  it('starts its decay again when a failure is taken back', () => {
    const rate = rateAfter([true, true, true, true], 0);
    rate.takeBackFailure(5_000);
    const left = rate.value(5_000);
    expect(left).toBeGreaterThan(FLOOR);
    expect(rate.value(15_000)).toBeCloseTo(FLOOR + (left - FLOOR) / Math.E, 10);
  });

  it('is the floor after a reset', () => {
    const rate = rateAfter([true, true], 0);
    rate.reset();
    expect(rate.value(0)).toBe(FLOOR);
  });
});
