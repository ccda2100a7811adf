import { DEFAULTS } from '../../lib/config/defaults';
import { createStrategy } from '../../lib/routing/strategies/create';
import type { Candidate, RoutedCall, Strategy, StrategyName } from '../../lib/routing/strategy';

const CALL: RoutedCall = {
  operation: 'chat',
  stream: false,
  context: { requestId: 'r', type: 'chat', priority: 3 },
  promptTokens: 1_000,
  expectedOutputTokens: 200,
  remainingMs: 20_000,
  triedProviders: new Set(),
};

function candidate(name: string, differs: Partial<Candidate> = {}): Candidate {
  return {
    name,
    model: 'm',
    provider: 'p',
    weight: 1,
    quality: 0.8,
    inFlight: 0,
    expectedMs: 3_000,
    expectedFirstTokenMs: 500,
    slowness: 1,
    peakMs: 0,
    costUsd: 0.01,
    usedShare: 0.1,
    failureShare: 0.003,
    ramp: 0,
    cachedShare: 0,
    strengths: [],
    ...differs,
  };
}

const create = (strategy: StrategyName): Strategy =>
  createStrategy({ strategy, scoreWeights: DEFAULTS.scoreWeights });

/** The candidate that a strategy picks most often, because ties are broken at random. */
function favorite(strategy: Strategy, candidates: readonly Candidate[], call = CALL): string {
  const counts = new Map<string, number>();
  for (let n = 0; n < 300; n++) {
    const name = strategy.pick(call, candidates)?.name ?? 'none';
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1])[0]![0];
}

describe('Built-in strategies', () => {
  it.each(['adaptive', 'weighted', 'round-robin', 'least-busy', 'lowest-latency', 'lowest-cost'] as const)(
    '%s picks one of the candidates, or undefined if there are none',
    (name) => {
      const strategy = create(name);
      expect(strategy.name).toBe(name);
      const all = [candidate('a'), candidate('b'), candidate('c')];
      for (let n = 0; n < 50; n++) expect(all).toContain(strategy.pick(CALL, all));
      expect(strategy.pick(CALL, [])).toBeUndefined();
    },
  );

  it('round-robin picks the candidate that was picked longest ago, even if the set of candidates changes', () => {
    const strategy = create('round-robin');
    const [a, b, c] = [candidate('a'), candidate('b'), candidate('c')];
    const names = [
      [a, b, c],
      [a, b, c],
      [b, c],
      [a, b, c],
      [a, c],
    ].map((all) => strategy.pick(CALL, all)?.name);
    expect(names).toEqual(['a', 'b', 'c', 'a', 'c']);
  });

  it('least-busy picks the candidate with the fewest calls in flight relative to its weight', () => {
    const all = [candidate('a', { inFlight: 3 }), candidate('b', { inFlight: 7, weight: 4 })];
    expect(favorite(create('least-busy'), all)).toBe('b');
  });

  it('lowest-cost picks the cheapest candidate, among equals the fastest, and endpoints without a price last', () => {
    const all = [
      candidate('unknown', { costUsd: undefined, expectedMs: 1 }),
      candidate('expensive', { costUsd: 0.02 }),
      candidate('slow', { expectedMs: 4_000 }),
      candidate('fast', { expectedMs: 2_000 }),
    ];
    expect(create('lowest-cost').pick(CALL, all)?.name).toBe('fast');
  });

  it('lowest-latency never picks the slowest candidate and spreads calls over the others', () => {
    const all = [
      candidate('a', { peakMs: 1_000 }),
      candidate('b', { peakMs: 1_100 }),
      candidate('worst', { peakMs: 9_000 }),
    ];
    const strategy = create('lowest-latency');
    const picked = new Set(Array.from({ length: 300 }, () => strategy.pick(CALL, all)?.name));
    expect(picked).toEqual(new Set(['a', 'b']));
  });
});

describe('Adaptive strategy', () => {
  const adaptive = create('adaptive');

  it.each<[property: string, better: Partial<Candidate>, worse: Partial<Candidate>]>([
    [
      'answers before the deadline',
      { expectedMs: 5_000, costUsd: 0.02 },
      { expectedMs: 19_000, costUsd: 0.01 },
    ],
    ['is cheaper when both answer in time', { costUsd: 0.001 }, { costUsd: 0.02 }],
    ['has more of its quota left', { usedShare: 0.2 }, { usedShare: 0.95 }],
    ['has not failed recently', { failureShare: 0.003 }, { failureShare: 0.4 }],
    ['has the higher quality', { quality: 0.95 }, { quality: 0.5 }],
    ['has not just recovered', { ramp: 0 }, { ramp: 1 }],
    ['has the higher weight', { weight: 5 }, { weight: 1 }],
    ['probably has the prompt cached', { cachedShare: 0.9 }, { cachedShare: 0 }],
    ['lists the type of the request as a strength', { strengths: ['chat'] }, { strengths: ['code'] }],
  ])('picks the candidate that %s', (_property, better, worse) => {
    expect(favorite(adaptive, [candidate('worse', worse), candidate('better', better)])).toBe('better');
  });

  it('avoids a provider that has already failed this call', () => {
    const all = [candidate('a', { provider: 'tried' }), candidate('b', { provider: 'other' })];
    expect(favorite(adaptive, all, { ...CALL, triedProviders: new Set(['tried']) })).toBe('b');
  });

  it('prefers meeting the deadline to a cached prefix', () => {
    const all = [candidate('cached', { cachedShare: 1, expectedMs: 30_000 }), candidate('fast')];
    expect(favorite(adaptive, all)).toBe('fast');
  });

  describe('type bonus', () => {
    const strong = { strengths: ['code'] };
    const code = { ...CALL, context: { ...CALL.context, type: 'code' as const } };

    it('decides between endpoints whose prices differ by less than a third of the higher one', () => {
      const all = [candidate('strong', { ...strong, costUsd: 0.01 }), candidate('other', { costUsd: 0.008 })];
      expect(favorite(adaptive, all, code)).toBe('strong');
      expect(favorite(adaptive, all)).toBe('other');
    });

    it.each<[string, Partial<Candidate>]>([
      ['that misses the deadline', { expectedMs: 19_000 }],
      ['that costs five times as much', { costUsd: 0.05 }],
      ['that fails often', { failureShare: 0.2 }],
      ['whose quota is nearly used up', { usedShare: 0.9 }],
      ['that has just recovered', { ramp: 0.9 }],
    ])('does not attract calls to an endpoint %s', (_case, drawback) => {
      const all = [candidate('strong', { ...strong, ...drawback }), candidate('other')];
      expect(favorite(adaptive, all, code)).toBe('other');
    });

    it('is 0 for every candidate if none lists the type as a strength', () => {
      const unknown = { ...CALL, context: { ...CALL.context, type: 'translation' as 'chat' } };
      const scores = adaptive.explain!(unknown, [candidate('a', strong), candidate('b')])!;
      expect(scores.map(({ terms }) => terms['type'])).toEqual([0, 0]);
      expect(scores[0]!.score).toBe(scores[1]!.score);
    });
  });

  it('explains a score as the sum of its terms', () => {
    const all = [candidate('a', { costUsd: 0.02, weight: 2, ramp: 0.5 }), candidate('b')];
    for (const { score, terms } of adaptive.explain!(CALL, all)!) {
      expect(Object.values(terms).reduce((sum, term) => sum + term, 0)).toBeCloseTo(score, 10);
      expect(Object.values(terms).every(Number.isFinite)).toBe(true);
    }
    const [a, b] = adaptive.explain!(CALL, all)!;
    expect(a!.score > b!.score ? 'b' : 'a').toBe(favorite(adaptive, all));
  });

  it('returns a finite score for calls without a deadline and for calls past their deadline', () => {
    for (const remainingMs of [Infinity, 0, -5]) {
      for (const { score } of adaptive.explain!({ ...CALL, remainingMs }, [candidate('a')])!) {
        expect(Number.isFinite(score)).toBe(true);
      }
    }
  });
});
