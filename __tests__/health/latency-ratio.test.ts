import { LatencyRatio } from '../../lib/health/latency-ratio';

/** `count` samples of which each took `ratio` times as long as expected, with so many calls in flight. */
const observe = (
  latency: LatencyRatio,
  count: number,
  ratio: number,
  inFlight: number,
  now = 0,
): LatencyRatio => {
  for (let n = 0; n < count; n++) latency.observe(ratio, inFlight, now);
  return latency;
};

/** 1 while nothing else runs, 5 with ten others: the slope is the covariance 10 over the variance 25 plus 9. */
const underLoad = (count = 1): LatencyRatio =>
  observe(observe(new LatencyRatio(), count, 1, 0), count, 5, 10);
const SLOPE = 10 / 34;

describe('LatencyRatio', () => {
  beforeEach(() => jest.useFakeTimers({ now: 0 }));
  afterEach(() => jest.useRealTimers());

  it('is the mean of the samples and of two at the usual speed', () => {
    expect(new LatencyRatio().ratio(0, 0)).toBe(1);
    expect(observe(new LatencyRatio(), 4, 4, 0).ratio(0, 0)).toBeCloseTo((16 + 2) / 6, 10);
  });

  it('ignores samples that are not positive and finite', () => {
    const latency = new LatencyRatio();
    for (const ratio of [0, -1, Number.NaN, Infinity]) latency.observe(ratio, 1, 0);
    expect(latency.samples).toBe(0);
    expect(latency.ratio(0, 0)).toBe(1);
  });

  it('counts a sample at 20 at most, and is at least 0.3', () => {
    expect(observe(new LatencyRatio(), 1, 1_000, 0).ratio(0, 0)).toBeCloseTo((20 + 2) / 3, 10);
    expect(observe(new LatencyRatio(), 1_000, 0.01, 0).ratio(0, 0)).toBe(0.3);
  });

  it('grows with the calls in flight as it did in the samples', () => {
    // Base (6 + 2) / (2 + 2), and 10 + 1 calls in flight instead of the mean of 5.
    expect(underLoad().ratio(10, 0)).toBeCloseTo(2 + SLOPE * (11 - 5), 10);
  });

  it('adds at most 8 for the load, and takes off at most 0.5', () => {
    expect(underLoad().ratio(1_000, 0)).toBe(2 + 8);
    expect(underLoad().ratio(0, 0)).toBe(2 - 0.5);
  });

  it('does not fall with the calls in flight', () => {
    const faster = observe(observe(new LatencyRatio(), 1, 5, 0), 1, 1, 10);
    expect(faster.ratio(10, 0)).toBe(2);
  });

  it('weights all samples 1/e after ten seconds, without a change of the slope', () => {
    const base = (60 / Math.E + 2) / (20 / Math.E + 2);
    expect(underLoad(10).ratio(10, 10_000)).toBeCloseTo(base + SLOPE * (11 - 5), 10);
  });

  it('is what the recent samples say once the old ones have faded', () => {
    const long = observe(observe(underLoad(10), 5, 2, 3, 200_000), 5, 3, 6, 200_000);
    const short = observe(observe(new LatencyRatio(), 5, 2, 3, 200_000), 5, 3, 6, 200_000);
    expect(long.ratio(8, 200_000)).toBeCloseTo(short.ratio(8, 200_000), 6);
  });

  it('gives a late sample the weight of those before it if the clock goes back', () => {
    const back = observe(observe(new LatencyRatio(), 5, 4, 0, 20_000), 5, 2, 0, 0);
    const forward = observe(observe(new LatencyRatio(), 5, 4, 0, 20_000), 5, 2, 0, 20_000);
    expect(back.ratio(0, 20_000)).toBe(forward.ratio(0, 20_000));
  });

  describe('is kept', () => {
    it('for 5 ms', () => {
      const latency = observe(new LatencyRatio(), 5, 4, 0, 1_000);
      const first = latency.ratio(0, 1_000);
      expect(latency.ratio(0, 1_004)).toBe(first);
      expect(latency.ratio(0, 1_005)).toBeLessThan(first);
    });

    it('only for the same number of calls in flight', () => {
      const latency = underLoad();
      const few = latency.ratio(6, 0);
      expect(latency.ratio(10, 0)).toBeGreaterThan(few);
    });

    it('only until the next sample', () => {
      const latency = observe(new LatencyRatio(), 5, 2, 0);
      const before = latency.ratio(0, 0);
      latency.observe(10, 0, 0);
      expect(latency.ratio(0, 0)).toBeGreaterThan(before);
    });

    it('not if the clock goes back', () => {
      const latency = observe(new LatencyRatio(), 5, 4, 0);
      const late = latency.ratio(0, 100);
      expect(latency.ratio(0, 50)).toBeGreaterThan(late);
    });
  });

  describe('with an attempt that has not been answered', () => {
    const pending = (since: number): LatencyRatio => {
      const latency = new LatencyRatio();
      latency.addPending({}, 100, since);
      return latency;
    };

    it('rises once that takes more than 1.5 times as long as expected', () => {
      expect(pending(1_000).ratio(0, 1_150)).toBe(1);
      // Its age is 1.6; it is expected to take 1.5 times that, and counts as three samples.
      expect(pending(1_000).ratio(0, 1_160)).toBeCloseTo((3 * 1.5 * 1.6 + 2) / (3 + 2), 10);
    });

    it('counts its time at 20 at most', () => {
      expect(pending(0).ratio(0, 1e6)).toBeCloseTo((3 * 20 + 2) / (3 + 2), 10);
    });

    it('rises only after 1.5 times as long as usual if the endpoint is slow', () => {
      const slow = (): LatencyRatio => observe(new LatencyRatio(), 10, 4, 0);
      const waiting = (): LatencyRatio => {
        const latency = slow();
        latency.addPending({}, 100, 0);
        return latency;
      };
      expect(waiting().ratio(0, 600)).toBe(slow().ratio(0, 600));
      expect(waiting().ratio(0, 610)).toBeGreaterThan(slow().ratio(0, 610));
    });

    it('does not rise sooner if the endpoint is fast', () => {
      const fast = observe(new LatencyRatio(), 10, 0.5, 0);
      const waiting = observe(new LatencyRatio(), 10, 0.5, 0);
      waiting.addPending({}, 100, 0);
      expect(waiting.ratio(0, 149)).toBe(fast.ratio(0, 149));
    });

    it('looks for late attempts every 50 ms', () => {
      const latency = pending(0);
      expect(latency.ratio(0, 140)).toBe(1);
      expect(latency.ratio(0, 184)).toBe(1);
      expect(latency.ratio(0, 190)).toBeGreaterThan(1);
    });

    it('is as before once that has been answered or has ended', () => {
      const latency = new LatencyRatio();
      const attempt = {};
      latency.addPending(attempt, 100, 0);
      expect(latency.ratio(0, 1_000)).toBeGreaterThan(1);
      latency.removePending(attempt);
      expect(latency.ratio(0, 2_000)).toBe(1);
    });
  });
});
