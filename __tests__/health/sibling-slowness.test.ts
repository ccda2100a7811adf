import { SiblingSlowness } from '../../lib/health/sibling-slowness';

describe('SiblingSlowness', () => {
  beforeEach(() => jest.useFakeTimers({ now: 0 }));
  afterEach(() => jest.useRealTimers());

  const after = (samples: readonly number[], now: number): SiblingSlowness => {
    const siblings = new SiblingSlowness();
    for (const ratio of samples) siblings.add(ratio, now);
    return siblings;
  };

  it('is the mean of the samples and of two at the usual speed', () => {
    expect(after([], 0).withoutOwn(0, 0, 0)).toBe(1);
    expect(after([3, 3, 3, 3], 0).withoutOwn(0, 0, 0)).toBeCloseTo((12 + 2) / (4 + 2), 10);
  });

  it("leaves out an endpoint's own samples", () => {
    expect(after([3, 3, 9], 0).withoutOwn(9, 1, 0)).toBeCloseTo((6 + 2) / (2 + 2), 10);
    expect(after([3], 0).withoutOwn(9, 2, 0)).toBe(1);
  });

  it('weights a sample 1/e after ten seconds', () => {
    const siblings = after([5, 5, 5, 5], 5_000);
    expect(siblings.withoutOwn(0, 0, 15_000)).toBeCloseTo((20 / Math.E + 2) / (4 / Math.E + 2), 10);
  });

  it('does not weight samples more if the clock goes back', () => {
    const siblings = after([5, 5], 20_000);
    expect(siblings.withoutOwn(0, 0, 0)).toBe(siblings.withoutOwn(0, 0, 20_000));
  });
});
