import { DEFAULTS } from '../../lib/config/defaults';
import { classify } from '../../lib/routing/classify';
import { createStrategy } from '../../lib/routing/strategies/create';
import type { Candidate, RoutedCall } from '../../lib/routing/strategy';
import { seededRandom } from '../../lib/simulator/behavior';
import { LABELLED_PROMPTS } from './fixtures/labelled-prompts';

const TYPES = ['code', 'analysis', 'chat'] as const;
/** Number of random states of the fleet in which each prompt is routed. */
const STATES = 40;

function typeOf(prompt: string): string {
  return classify({ messages: [{ role: 'user', content: prompt }] });
}

/** Two endpoints for each type. They differ only in price, load and speed, as in daily operation. */
function fleet(random: () => number): Candidate[] {
  return [...TYPES, ...TYPES].map((type, index) => ({
    name: `${type}-${index}`,
    model: 'm',
    provider: 'p',
    weight: 1,
    quality: 0.8,
    inFlight: 0,
    expectedMs: 2_000 + 4_000 * random(),
    expectedFirstTokenMs: 500,
    slowness: 1,
    peakMs: 0,
    costUsd: 0.005 + 0.005 * random(),
    usedShare: 0.7 * random(),
    failureShare: 0.003,
    ramp: 0,
    cachedShare: 0,
    strengths: [type],
  }));
}

interface Outcome {
  /** Share of calls that go to an endpoint with the labelled type among its strengths. */
  readonly matched: number;
  readonly usd: number;
  readonly expectedMs: number;
}

function route(weight: number, type: (prompt: string) => string = typeOf): Outcome {
  const scoreWeights = { ...DEFAULTS.scoreWeights, type: weight };
  const strategy = createStrategy({ strategy: 'adaptive', scoreWeights });
  const random = seededRandom(7);
  let matched = 0;
  let usd = 0;
  let expectedMs = 0;
  for (const [label, prompt] of LABELLED_PROMPTS) {
    const call: RoutedCall = {
      operation: 'chat',
      stream: false,
      context: { requestId: 'r', type: type(prompt) as 'chat', priority: 3 },
      promptTokens: 100,
      expectedOutputTokens: 200,
      remainingMs: 20_000,
      triedProviders: new Set(),
    };
    for (let state = 0; state < STATES; state++) {
      const picked = strategy.pick(call, fleet(random))!;
      if (picked.strengths.includes(label)) matched++;
      usd += picked.costUsd!;
      expectedMs += picked.expectedMs;
    }
  }
  const calls = LABELLED_PROMPTS.length * STATES;
  return { matched: matched / calls, usd: usd / calls, expectedMs: expectedMs / calls };
}

describe('The guessed type of a request, for 60 labelled prompts,', () => {
  it('is correct for at least 80 % of them, and never code or analysis for a customer question', () => {
    const wrong = LABELLED_PROMPTS.filter(([label, prompt]) => typeOf(prompt) !== label);
    expect(wrong.length / LABELLED_PROMPTS.length).toBeLessThanOrEqual(0.2);
    expect(wrong.filter(([label]) => label === 'chat')).toEqual([]);
  });

  it('routes most calls to an endpoint with that strength, at a price and time of at most 8 % more', () => {
    const without = route(0);
    const standard = route(DEFAULTS.scoreWeights.type);
    expect(without.matched).toBeLessThan(0.4);
    expect(standard.matched).toBeGreaterThan(0.55);
    expect(standard.usd).toBeLessThan(1.08 * without.usd);
    expect(standard.expectedMs).toBeLessThan(1.08 * without.expectedMs);
  });

  it('would cost almost twice as much per additional match with a weight three times as large', () => {
    const { type } = DEFAULTS.scoreWeights;
    const [without, standard, triple] = [route(0), route(type), route(3 * type)];
    const usdPerMatch = (from: Outcome, to: Outcome) => (to.usd - from.usd) / (to.matched - from.matched);
    expect(usdPerMatch(standard, triple)).toBeGreaterThan(1.8 * usdPerMatch(without, standard));
  });

  it('changes nothing if no endpoint lists it as a strength', () => {
    const unknown = route(DEFAULTS.scoreWeights.type, () => 'translation');
    const without = route(0);
    expect(unknown.usd / without.usd).toBeCloseTo(1, 1);
    expect(unknown.matched).toBeCloseTo(without.matched, 1);
  });
});
