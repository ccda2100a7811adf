import { SequentialTest } from '../../lib/canary/sequential-test';
import { seededRandom } from '../../lib/simulator/behavior/random';

/**
 * The call of the canary at which the test rejects, while a tenth of all calls goes to it; undefined if it does not within
 * `calls` calls of the canary.
 */
function rejectedAt(
  seed: number,
  others: number,
  canary: number,
  calls: number,
  alpha = 0.04,
): number | undefined {
  const random = seededRandom(seed);
  const test = new SequentialTest(alpha);
  for (let call = 0; call < 100; call++) test.addOther(random() < others ? 1 : 0);
  for (let own = 0; own < calls; ) {
    if (random() < 0.1) {
      own++;
      test.add(random() < canary ? 1 : 0);
      if (test.isRejected) return own;
    } else test.addOther(random() < others ? 1 : 0);
  }
  return undefined;
}

const seeds = Array.from({ length: 200 }, (_, run) => run + 1);

function share(others: number, canary: number, calls: number): number {
  return seeds.filter((seed) => rejectedAt(seed, others, canary, calls) !== undefined).length / seeds.length;
}

describe('SequentialTest', () => {
  it.each([0.05, 0.1, 0.3])(
    'rejects a canary with three times the failure rate of %d within 200 calls in at least 95 % of 200 runs',
    (failures) => {
      expect(share(failures, 3 * failures, 200)).toBeGreaterThanOrEqual(0.95);
    },
  );

  it.each([0, 0.05, 0.3])(
    'rejects a canary with the same failure rate of %d in at most 5 % of 200 runs of 500 calls',
    (failures) => {
      expect(share(failures, failures, 500)).toBeLessThanOrEqual(0.05);
    },
  );

  it('never rejects a canary with a lower failure rate', () => {
    expect(share(0.2, 0.05, 200)).toBe(0);
  });

  it('needs at most 10 calls to reject a canary that always fails', () => {
    const calls = seeds.map((seed) => rejectedAt(seed, 0.01, 1, 50) ?? Infinity);
    expect(Math.max(...calls)).toBeLessThanOrEqual(10);
  });

  it('gathers no evidence before it knows the failure rate of the other calls', () => {
    const test = new SequentialTest(0.05);
    for (let call = 0; call < 50; call++) test.add(1);
    expect(test.evidence).toBeCloseTo(1, 12);
  });

  it('compares quantities between 0 and 1 just like failures', () => {
    const random = seededRandom(7);
    const [higher, equal] = [new SequentialTest(0.05), new SequentialTest(0.05)];
    for (let call = 0; call < 3_000; call++) {
      const value = 0.1 + 0.1 * random();
      for (const test of [higher, equal]) test.addOther(value);
      if (call % 10 !== 0) continue;
      higher.add(0.35 + 0.1 * random());
      equal.add(0.1 + 0.1 * random());
    }
    expect(higher.isRejected).toBe(true);
    expect(equal.isRejected).toBe(false);
  });
});
