import { RefusalCounts, RefusalShare } from '../../lib/health/refusal-share';

/** Lets an endpoint refuse and answer the given numbers of calls, all at time 0. */
function record(share: RefusalShare, calls: { readonly refused: number; readonly answered: number }): void {
  for (let n = 0; n < calls.refused; n++) share.recordRefused(0);
  for (let n = 0; n < calls.answered; n++) share.recordAnswered(0);
}

/** Two endpoints whose counts are compared with each other. */
function pair(): { readonly a: RefusalShare; readonly b: RefusalShare } {
  const all = new RefusalCounts();
  return { a: new RefusalShare(all), b: new RefusalShare(all) };
}

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
});

afterEach(() => {
  jest.useRealTimers();
});

describe('RefusalShare', () => {
  it('does not compare an endpoint with the others until it has refused three calls', () => {
    const { a } = pair();
    record(a, { refused: 2, answered: 0 });
    expect(a.excess(0)).toBe(0);
    record(a, { refused: 1, answered: 0 });
    // All of its calls, less twice the 1 % that the others are assumed to refuse at least.
    expect(a.excess(0)).toBeCloseTo(0.98, 9);
  });

  it('no longer compares an endpoint once its three refusals have begun to fade', () => {
    const { a } = pair();
    record(a, { refused: 3, answered: 0 });
    expect(a.excess(1)).toBe(0);
  });

  it('reports the excess over twice the share of the others, to whose calls ten answered ones are added', () => {
    const { a, b } = pair();
    record(a, { refused: 5, answered: 5 });
    record(b, { refused: 2, answered: 8 });
    // One half against twice 2 of 20.
    expect(a.excess(0)).toBeCloseTo(0.3, 9);
  });

  it('reports no excess if the others refuse at least half as large a share', () => {
    const { a, b } = pair();
    record(a, { refused: 5, answered: 5 });
    record(b, { refused: 10, answered: 10 });
    expect(a.excess(0)).toBe(0);
  });

  it('counts a refusal that was taken back neither for its own endpoint nor for the comparison of another one', () => {
    const { a, b } = pair();
    record(a, { refused: 5, answered: 5 });
    record(b, { refused: 4, answered: 0 });
    expect(b.excess(0)).toBeGreaterThan(0);
    for (let n = 0; n < 4; n++) b.takeBack(0);
    expect(b.excess(0)).toBe(0);
    // One half against twice the least share of 1 %: the other endpoint has refused nothing.
    expect(a.excess(0)).toBeCloseTo(0.48, 9);
  });

  it('counts new refusals in full after it has taken back one that had faded already', () => {
    const { a } = pair();
    const later = 600_000;
    a.recordRefused(0);
    a.takeBack(later);
    for (let n = 0; n < 3; n++) a.recordRefused(later);
    expect(a.excess(later)).toBeCloseTo(0.98, 9);
  });

  it('forgets what the other endpoints refused as time passes', () => {
    const { a, b } = pair();
    record(a, { refused: 10, answered: 10 });
    record(b, { refused: 5, answered: 5 });
    expect(a.excess(0)).toBe(0);
    expect(a.excess(60_000)).toBeGreaterThan(0.2);
  });
});

describe('RefusalCounts', () => {
  it('lets refusals and answers fade to the same share, which is 1/e after a minute', () => {
    const counts = new RefusalCounts();
    counts.add(10, 20, 60_000);
    counts.decay(120_000);
    expect(counts.refused).toBeCloseTo(10 / Math.E, 9);
    expect(counts.answered).toBeCloseTo(20 / Math.E, 9);
  });

  it('lets what it holds fade before it adds something new', () => {
    const counts = new RefusalCounts();
    counts.add(10, 20, 60_000);
    counts.add(1, 2, 120_000);
    expect(counts.refused).toBeCloseTo(1 + 10 / Math.E, 9);
    expect(counts.answered).toBeCloseTo(2 + 20 / Math.E, 9);
  });

  it('does not grow if asked about an earlier moment', () => {
    const counts = new RefusalCounts();
    counts.add(10, 20, 60_000);
    counts.decay(0);
    expect([counts.refused, counts.answered]).toEqual([10, 20]);
  });
});
