import fc from 'fast-check';
import type { Call } from '../../lib/call/call';
import { TokensCharged } from '../../lib/quota/tokens-charged';

const LIMIT = 60_000;
const RATE = LIMIT / 60_000;
/** Short enough that the calls drain the bucket, as a full bucket reveals nothing. */
const STEP_MS = 200;

const call = (prompt: number, most: number): Call =>
  ({ promptTokens: prompt, maxOutputTokens: most, expectedOutputTokens: most / 2 }) as Call;

/** Simulates a provider's bucket and feeds its headers to TokensCharged. */
function learn(
  truth: 'reserved' | 'actual',
  provider: string,
  sizes: readonly (readonly [prompt: number, most: number])[],
): TokensCharged {
  const tokensCharged = new TokensCharged({ tokensCharged: 'auto', provider });
  let remaining = 50_000;
  let now = 0;
  for (const [prompt, most] of sizes) {
    const used = Math.round(most / 3);
    now += STEP_MS;
    remaining = Math.min(LIMIT, remaining + STEP_MS * RATE) - prompt - (truth === 'reserved' ? most : 0);
    const snapshot = tokensCharged.recordSent(call(prompt, most), now);
    tokensCharged.observeRemaining(snapshot, remaining, LIMIT);
    if (truth === 'actual') remaining -= used;
    tokensCharged.recordOutput(used);
  }
  return tokensCharged;
}

const sizes = fc.array(fc.tuple(fc.integer({ min: 150, max: 300 }), fc.integer({ min: 400, max: 900 })), {
  minLength: 40,
  maxLength: 45,
});

describe('TokensCharged', () => {
  it.each(['openai', 'anthropic'])('learns from headers what %s charges', (provider) => {
    fc.assert(
      fc.property(sizes, fc.constantFrom('reserved', 'actual'), (all, truth) => {
        expect(learn(truth, provider, all).mode).toBe(truth);
      }),
      { numRuns: 60 },
    );
  });

  it('has no mode until headers have shown token limits', () => {
    expect(new TokensCharged({ tokensCharged: 'auto', provider: 'openai' }).mode).toBeUndefined();
    expect(learn('reserved', 'anthropic', [[100, 500]]).mode).toBeUndefined();
  });

  it('never changes a configured mode', () => {
    const tokensCharged = new TokensCharged({ tokensCharged: 'actual', provider: 'openai' });
    tokensCharged.observeRemaining(tokensCharged.recordSent(call(100, 500), 0), 1_000, LIMIT);
    expect(tokensCharged.mode).toBe('actual');
  });
});
