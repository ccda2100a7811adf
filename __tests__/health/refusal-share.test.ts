import { RefusalCounts, RefusalShare } from '../../lib/health/refusal-share';

const MINUTE_MS = 60_000;

describe('RefusalShare', () => {
  beforeEach(() => jest.useFakeTimers({ now: 0 }));
  afterEach(() => jest.useRealTimers());

  /** One endpoint, and all others together, after so many refused and answered calls at time 0. */
  const after = (own: readonly [number, number], others: readonly [number, number]): RefusalShare => {
    const all = new RefusalCounts();
    const [endpoint, rest] = [new RefusalShare(all), new RefusalShare(all)];
    for (const [share, [refused, answered]] of [
      [endpoint, own],
      [rest, others],
    ] as const) {
      for (let n = 0; n < refused; n++) share.recordRefused(0);
      for (let n = 0; n < answered; n++) share.recordAnswered(0);
    }
    return endpoint;
  };

  it('needs three refusals to stand out', () => {
    expect(after([2, 0], [0, 100]).excess(0)).toBe(0);
    expect(after([3, 0], [0, 100]).excess(0)).toBeGreaterThan(0.9);
  });

  it('exceeds by its share less twice that of the others, to which ten answered calls are added', () => {
    // 3 of 10, and 10 of 100.
    expect(after([3, 7], [10, 80]).excess(0)).toBeCloseTo(0.3 - 2 * 0.1, 10);
  });

  it('does not stand out if it refuses twice as often as the others', () => {
    expect(after([3, 7], [15, 75]).excess(0)).toBe(0);
    expect(after([3, 7], [60, 30]).excess(0)).toBe(0);
  });

  it('assumes that the others refuse one call in a hundred at least', () => {
    expect(after([3, 0], [0, 1_000]).excess(0)).toBeCloseTo(1 - 2 * 0.01, 10);
  });

  it('forgets refusals in a few minutes', () => {
    const share = after([4, 0], [0, 100]);
    expect(share.excess(0)).toBeGreaterThan(0);
    expect(share.excess(MINUTE_MS)).toBe(0);
  });

  it('forgets refusals and answers, its own and those of others, at the same pace', () => {
    const share = after([30, 30], [100, 900]);
    // The ten calls that are added do not fade.
    const others = 100 / Math.E / (1_000 / Math.E + 10);
    expect(share.excess(MINUTE_MS)).toBeCloseTo(0.5 - 2 * others, 10);
  });

  it('does not count a refusal that was taken back', () => {
    const share = after([4, 0], [0, 100]);
    share.takeBack(0);
    expect(share.excess(0)).toBeGreaterThan(0);
    share.takeBack(0);
    expect(share.excess(0)).toBe(0);
  });

  it('never counts fewer than no refusals', () => {
    const share = after([0, 0], [0, 100]);
    share.takeBack(0);
    for (let n = 0; n < 3; n++) share.recordRefused(0);
    expect(share.excess(0)).toBeGreaterThan(0);
  });
});

describe('RefusalCounts', () => {
  beforeEach(() => jest.useFakeTimers({ now: 0 }));
  afterEach(() => jest.useRealTimers());

  it('do not grow if the clock goes back', () => {
    const counts = new RefusalCounts();
    counts.add(2, 4, MINUTE_MS);
    counts.decay(0);
    expect([counts.refused, counts.answered]).toEqual([2, 4]);
  });
});
