import fc from 'fast-check';
import { Weighted } from '../../lib/routing/strategies/weighted';
import type { Candidate } from '../../lib/routing/strategy';
import { answer, chatText, Rig } from '../failover/upstream';

const rig = new Rig();
const PICKS = 10_000;

/** The strategy reads only names and weights. */
const candidates = (weights: readonly number[]) =>
  weights.map((weight, n) => ({ name: `e${n}`, weight }) as Candidate);

function sharesOf(strategy: Weighted, all: readonly Candidate[]): number[] {
  const counts = new Map<string, number>();
  for (let n = 0; n < PICKS; n++) {
    const name = strategy.pick(undefined, all)?.name ?? '';
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return all.map(({ name }) => (counts.get(name) ?? 0) / PICKS);
}

describe('Weighted strategy', () => {
  it('gives each endpoint its share of 10,000 picks, to within 2 percentage points', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.01, max: 1_000, noNaN: true }), { minLength: 1, maxLength: 12 }),
        (weights) => {
          const sum = weights.reduce((a, b) => a + b, 0);
          for (const [n, share] of sharesOf(new Weighted(), candidates(weights)).entries()) {
            expect(Math.abs(share - weights[n]! / sum)).toBeLessThan(0.02);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('keeps exact shares after the set of candidates has changed', () => {
    const strategy = new Weighted();
    const [a, b, c] = candidates([5, 3, 2]) as [Candidate, Candidate, Candidate];
    for (let n = 0; n < 1_000; n++) strategy.pick(undefined, n % 3 === 0 ? [a, c] : [b, c]);
    const [first, second, third] = sharesOf(strategy, [a, b, c]);
    expect(first).toBeCloseTo(0.5, 1);
    expect(second).toBeCloseTo(0.3, 1);
    expect(third).toBeCloseTo(0.2, 1);
  });

  it('spreads the turns of a heavy endpoint evenly', () => {
    const strategy = new Weighted();
    const all = candidates([4, 1, 1]);
    const names = Array.from({ length: 6 }, () => strategy.pick(undefined, all)?.name);
    expect(names).toEqual(['e0', 'e0', 'e1', 'e0', 'e2', 'e0']);
  });

  it('picks undefined if there are no candidates', () => {
    expect(new Weighted().pick(undefined, [])).toBeUndefined();
  });
});

describe('An endpoint with weight 0', () => {
  it('gets no calls, whether its weight was configured or set at run time', async () => {
    const { balancer, upstream } = await rig.start(
      { a: answer(), b: answer(), never: answer() },
      {
        strategy: 'weighted',
        each: { a: { tier: 0 }, b: { tier: 0, weight: 3 }, never: { tier: 0, weight: 0 } },
      },
    );
    for (let n = 0; n < 40; n++) await chatText(balancer, false);
    expect(['a', 'b', 'never'].map((name) => upstream.count(name))).toEqual([10, 30, 0]);
    balancer.endpoint('b').setWeight(0);
    for (let n = 0; n < 5; n++) expect((await chatText(balancer, false)).route.endpoint).toBe('a');
    balancer.endpoint('a').disable();
    await expect(chatText(balancer, false)).rejects.toMatchObject({
      code: 'ERR_AI_UNAVAILABLE',
      status: 503,
    });
    balancer.endpoint('never').setWeight(1);
    expect((await chatText(balancer, false)).route.endpoint).toBe('never');
  });

  it('gets no calls even when all others have failed', async () => {
    const { balancer, upstream } = await rig.start(
      { a: ({ res }) => res.socket?.destroy(), never: answer() },
      { each: { never: { weight: 0 } } },
    );
    await expect(chatText(balancer, false)).rejects.toMatchObject({ code: 'ERR_AI_ALL_FAILED' });
    expect(upstream.count('never')).toBe(0);
  });
});
