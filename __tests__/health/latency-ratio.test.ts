import { LatencyRatio } from '../../lib/health/latency-ratio';
import { SiblingSlowness } from '../../lib/health/sibling-slowness';

/** Milliseconds after which a sample weighs half as much as a new one: its weight falls to 1/e within 10 s. */
const HALF_LIFE_MS = 10_000 * Math.LN2;

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
});

afterEach(() => {
  jest.useRealTimers();
});

describe('LatencyRatio', () => {
  it('is the mean of the samples and of two more at the usual speed', () => {
    const latency = new LatencyRatio();
    expect(latency.ratio(0, 0)).toBe(1);
    for (let n = 0; n < 2; n++) latency.observe(4, 0, 0);
    // Of 4, 4, 1 and 1.
    expect(latency.ratio(0, 0)).toBe(2.5);
    expect(latency.samples).toBe(2);
  });

  it.each([0, -1, Number.NaN, Infinity])('ignores a sample of %d, which no answer can have', (ratio) => {
    const latency = new LatencyRatio();
    latency.observe(ratio, 0, 0);
    expect([latency.samples, latency.ratio(0, 0)]).toEqual([0, 1]);
  });

  it('weights samples less as they age', () => {
    const latency = new LatencyRatio();
    for (let n = 0; n < 2; n++) latency.observe(4, 0, 0);
    // Two samples that weigh half as much count like one: the mean of 4, 1 and 1.
    expect(latency.ratio(0, HALF_LIFE_MS)).toBeCloseTo(2, 9);
  });

  it('does not change the weight of its samples when one of an earlier moment comes late', () => {
    const latency = new LatencyRatio();
    latency.observe(4, 0, 5_000);
    latency.observe(4, 0, 0);
    expect(latency.ratio(0, 5_000)).toBe(2.5);
  });
});

/** How many times as long as expected an answer took, and the number of calls in flight. */
type Sample = readonly [ratio: number, inFlight: number];

describe('What the load adds to a LatencyRatio', () => {
  /** With one call in flight the endpoint answered at its usual speed, with nine it took three times as long. */
  const IDLE: Sample = [1, 1];
  const BUSY: Sample = [3, 9];
  /**
   * Mean of 1 and 3 and of two more samples at the usual speed: the ratio for the mean number of calls in flight, 5,
   * the call that asks included.
   */
  const AT_MEAN = 1.5;
  /** Per call in flight: the covariance of 4 divided by the variance of 16 and by the 9 that damp it. */
  const SLOPE = 4 / 25;

  it('is proportional to the difference from the mean number of calls in flight', () => {
    const latency = new LatencyRatio();
    latency.observe(...IDLE, 0);
    latency.observe(...BUSY, 0);
    expect(latency.ratio(4, 0)).toBeCloseTo(AT_MEAN, 9);
    expect(latency.ratio(9, 0)).toBeCloseTo(AT_MEAN + 5 * SLOPE, 9);
    expect(latency.ratio(2, 0)).toBeCloseTo(AT_MEAN - 2 * SLOPE, 9);
  });

  it('stays the same while its samples age together', () => {
    const latency = new LatencyRatio();
    for (const sample of [IDLE, IDLE, BUSY, BUSY]) latency.observe(...sample, 0);
    expect(latency.ratio(4, HALF_LIFE_MS)).toBeCloseTo(AT_MEAN, 9);
    expect(latency.ratio(9, HALF_LIFE_MS)).toBeCloseTo(AT_MEAN + 5 * SLOPE, 9);
  });

  it('depends less on old samples than on new ones', () => {
    const latency = new LatencyRatio();
    // Two samples that weigh half as much when the third arrives count like one.
    for (let n = 0; n < 2; n++) latency.observe(...IDLE, 0);
    latency.observe(...BUSY, HALF_LIFE_MS);
    expect(latency.ratio(4, HALF_LIFE_MS)).toBeCloseTo(AT_MEAN, 9);
    expect(latency.ratio(9, HALF_LIFE_MS)).toBeCloseTo(AT_MEAN + 5 * SLOPE, 9);
  });
});

describe('A LatencyRatio that was asked for', () => {
  function asked() {
    const siblings = new SiblingSlowness();
    const latency = new LatencyRatio(siblings);
    const before = latency.ratio(0, 1_000);
    // A sample of another endpoint, which would raise the ratio.
    siblings.add(10, 1_000);
    return { latency, before };
  }

  it('is the same for 5 ms, because every routing decision asks for it', () => {
    const { latency, before } = asked();
    expect(latency.ratio(0, 1_000)).toBe(before);
    expect(latency.ratio(0, 1_004)).toBe(before);
    expect(latency.ratio(0, 1_005)).toBeGreaterThan(2 * before);
  });

  it('is determined again for another number of calls in flight, after a new sample and for an earlier moment', () => {
    const changes: ((latency: LatencyRatio) => number)[] = [
      (latency) => latency.ratio(1, 1_000),
      (latency) => (latency.observe(10, 0, 1_000), latency.ratio(0, 1_000)),
      (latency) => latency.ratio(0, 999),
    ];
    for (const change of changes) {
      const { latency, before } = asked();
      expect(change(latency)).toBeGreaterThan(2 * before);
    }
  });
});

describe('An attempt that a LatencyRatio waits for', () => {
  /** The ratio at `now`, while one attempt that was sent at 1,000 and should take 100 ms is not yet answered. */
  function ratioAt(now: number, ...samples: readonly number[]): number {
    const latency = new LatencyRatio();
    for (const sample of samples) latency.observe(sample, 0, 1_000);
    latency.addPending({}, 100, 1_000);
    return latency.ratio(0, now);
  }

  it('is overdue only after more than one and a half times its expected time', () => {
    expect(ratioAt(1_150)).toBe(1);
    expect(ratioAt(1_151)).toBeGreaterThan(1.5);
  });

  it('counts like three samples of one and a half times its age once it is overdue', () => {
    // At twice its expected time: three samples of 3 and two at the usual speed.
    expect(ratioAt(1_200)).toBeCloseTo(11 / 5, 9);
  });

  it('counts for no more than 20 times its expected time', () => {
    expect(ratioAt(1_000 + 100_000)).toBeCloseTo((3 * 20 + 2) / 5, 9);
  });

  it('is overdue later at an endpoint that takes longer than expected anyway', () => {
    // Every sample took four times as long, so an attempt is not overdue at six times its expected time. By then the
    // samples have lost a little of their weight.
    expect(ratioAt(1_000, 4, 4)).toBe(2.5);
    expect(ratioAt(1_600, 4, 4)).toBeLessThan(2.5);
    expect(ratioAt(1_610, 4, 4)).toBeGreaterThan(5);
  });

  it('is not overdue earlier at an endpoint that is faster than expected', () => {
    expect(ratioAt(1_150, 0.5, 0.5)).toBeCloseTo(0.75, 2);
    expect(ratioAt(1_160, 0.5, 0.5)).toBeGreaterThan(1.4);
  });

  it('is looked for every 50 ms', () => {
    const latency = new LatencyRatio();
    latency.addPending({}, 100, 1_000);
    expect(latency.ratio(0, 1_120)).toBe(1);
    expect(latency.ratio(0, 1_165)).toBe(1);
    expect(latency.ratio(0, 1_170)).toBeGreaterThan(1.5);
  });

  it('counts no more once its first token has arrived or it has ended', () => {
    const latency = new LatencyRatio();
    const attempt = {};
    latency.addPending(attempt, 100, 1_000);
    expect(latency.ratio(0, 1_200)).toBeGreaterThan(1.5);
    latency.removePending(attempt);
    expect(latency.ratio(0, 1_250)).toBe(1);
  });
});
