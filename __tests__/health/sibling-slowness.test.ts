import { SiblingSlowness } from '../../lib/health/sibling-slowness';

/** Milliseconds after which a sample weighs half as much as a new one: its weight falls to 1/e within 10 s. */
const HALF_LIFE_MS = 10_000 * Math.LN2;

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
});

afterEach(() => {
  jest.useRealTimers();
});

describe('SiblingSlowness', () => {
  it('assumes the usual speed while there are no samples', () => {
    expect(new SiblingSlowness().withoutOwn(0, 0, 0)).toBe(1);
  });

  it('is the mean of the samples and of two more at the usual speed', () => {
    const siblings = new SiblingSlowness();
    for (let n = 0; n < 2; n++) siblings.add(4, 0);
    // Of 4, 4, 1 and 1.
    expect(siblings.withoutOwn(0, 0, 0)).toBe(2.5);
  });

  it("leaves out an endpoint's own samples", () => {
    const siblings = new SiblingSlowness();
    for (const ratio of [10, 4, 4]) siblings.add(ratio, 0);
    expect(siblings.withoutOwn(10, 1, 0)).toBe(2.5);
  });

  it('weights samples less as they age', () => {
    const siblings = new SiblingSlowness();
    for (let n = 0; n < 2; n++) siblings.add(4, 20_000);
    // Two samples that weigh half as much count like one: the mean of 4, 1 and 1.
    expect(siblings.withoutOwn(0, 0, 20_000 + HALF_LIFE_MS)).toBeCloseTo(2, 9);
  });

  it('does not give old samples more weight if asked about an earlier moment', () => {
    const siblings = new SiblingSlowness();
    for (let n = 0; n < 2; n++) siblings.add(4, 20_000);
    expect(siblings.withoutOwn(0, 0, 10_000)).toBe(2.5);
    expect(siblings.withoutOwn(0, 0, 20_000)).toBe(2.5);
  });
});
