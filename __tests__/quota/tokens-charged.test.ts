import fc from 'fast-check';
import type { Call } from '../../lib/call/call';
import { TokensCharged } from '../../lib/quota/tokens-charged';

const LIMIT = 60_000;
const RATE = LIMIT / 60_000;
/** Fast enough that the bucket empties: a full one tells nothing. */
const STEP_MS = 200;

const call = (prompt: number, most: number): Call =>
  ({ promptTokens: prompt, maxOutputTokens: most, expectedOutputTokens: most / 2 }) as Call;

/** A provider's bucket as its headers show it, and what Charging makes of it. */
function hear(
  truth: 'reserved' | 'actual',
  provider: string,
  sizes: readonly (readonly [prompt: number, most: number])[],
): TokensCharged {
  const charging = new TokensCharged({ tokensCharged: 'auto', provider });
  let remaining = 50_000;
  let now = 0;
  for (const [prompt, most] of sizes) {
    const used = Math.round(most / 3);
    now += STEP_MS;
    remaining = Math.min(LIMIT, remaining + STEP_MS * RATE) - prompt - (truth === 'reserved' ? most : 0);
    const mark = charging.recordSent(call(prompt, most), now);
    charging.observeRemaining(mark, remaining, LIMIT);
    if (truth === 'actual') remaining -= used;
    charging.recordOutput(used);
  }
  return charging;
}

const sizes = fc.array(fc.tuple(fc.integer({ min: 150, max: 300 }), fc.integer({ min: 400, max: 900 })), {
  minLength: 40,
  maxLength: 45,
});

describe('what a provider charges', () => {
  it.each(['openai', 'anthropic'])('is learnt from its headers, whatever %s was taken for', (provider) => {
    fc.assert(
      fc.property(sizes, fc.constantFrom('reserved', 'actual'), (all, truth) => {
        expect(hear(truth, provider, all).mode).toBe(truth);
      }),
      { numRuns: 60 },
    );
  });

  it('is not guessed before headers have told of tokens', () => {
    expect(new TokensCharged({ tokensCharged: 'auto', provider: 'openai' }).mode).toBeUndefined();
    expect(hear('reserved', 'anthropic', [[100, 500]]).mode).toBeUndefined();
  });

  it('is what the app says, where it says it', () => {
    const charging = new TokensCharged({ tokensCharged: 'actual', provider: 'openai' });
    charging.observeRemaining(charging.recordSent(call(100, 500), 0), 1_000, LIMIT);
    expect(charging.mode).toBe('actual');
  });
});
