import type { Usage } from '../../lib/call/answer';
import type { Call } from '../../lib/call/call';
import { TokensCharged } from '../../lib/quota/tokens-charged';
import { clipUsage } from '../../lib/quota/usage-bound';

const LIMITS = { contextWindow: 5_000, maxOutputTokens: 100 };
const CALL = {
  operation: 'chat',
  body: { messages: [{ role: 'user', content: 'hi' }] },
  promptTokens: 10,
} as unknown as Call;

function clip(usage: object, call: object = {}, limits: object = {}): Usage {
  return clipUsage(usage as Usage, { ...CALL, ...call }, { ...LIMITS, ...limits });
}

const usage = (prompt: number, completion: number, more: object = {}) => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
  ...more,
});

describe('Reported usage', () => {
  it('may have a prompt of eight times the estimate and 1,000 tokens more', () => {
    expect(clip(usage(1_080, 1)).prompt_tokens).toBe(1_080);
    expect(clip(usage(1_081, 1)).prompt_tokens).toBe(1_080);
  });

  it('may have a prompt as long as the context window at most', () => {
    expect(clip(usage(5_001, 1), { promptTokens: 4_000 }).prompt_tokens).toBe(5_000);
    expect(clip(usage(900, 1), {}, { contextWindow: 800 }).prompt_tokens).toBe(800);
  });

  it('is compared with our own estimate of the prompt if that of the caller is too low', () => {
    const body = { messages: [{ role: 'user', content: 'word '.repeat(400) }] };
    const clipped = clip(usage(3_000, 1), { body, promptTokens: 1 }).prompt_tokens;
    expect(clipped).toBeGreaterThan(1_008);
    expect(clip(usage(4_000, 1), { body, promptTokens: 375 }).prompt_tokens).toBe(4_000);
  });

  it('may fill the window if the provider stores a part of the prompt, and only then', () => {
    const stored = { responses: { nativeOnly: 'previous_response_id' } };
    expect(clip(usage(4_900, 1), stored).prompt_tokens).toBe(4_900);
    expect(clip(usage(4_900, 1), { responses: {} }).prompt_tokens).toBe(1_080);
  });

  it.each([
    [undefined, 100],
    [1, 100],
    [0, 100],
    [2, 200],
    ['3', 100],
  ])('with n = %p may have a completion of %d tokens', (n, most) => {
    const body = { messages: [], n };
    expect(clip(usage(1, most), { body }).completion_tokens).toBe(most);
    expect(clip(usage(1, most + 1), { body }).completion_tokens).toBe(most);
  });

  it('may have a completion of max_tokens, or of the context window if the model states no limit', () => {
    expect(clip(usage(1, 9), { maxOutputTokens: 8 }).completion_tokens).toBe(8);
    expect(clip(usage(1, 6_000), {}, { maxOutputTokens: undefined }).completion_tokens).toBe(5_000);
    expect(clip(usage(1, 90), {}, { contextWindow: 80 }).completion_tokens).toBe(80);
  });

  it('is the same object only if each of its figures is possible', () => {
    const possible = { ...usage(20, 30), total_tokens: 49 };
    expect(clip(possible)).toBe(possible);
    expect(clip({ ...usage(20, 30), total_tokens: 51 })).toEqual(usage(20, 30));
    expect(clip(usage(20, 130))).toEqual(usage(20, 100));
    expect(clip(usage(2_000, 30))).toEqual(usage(1_080, 30));
    const details = { completion_tokens_details: { reasoning_tokens: 31 } };
    expect(clip(usage(20, 30, details)).completion_tokens_details).toEqual({ reasoning_tokens: 30 });
  });

  it.each([
    [{ cached_tokens: 0 }, { cached_tokens: 0 }],
    [
      { cached_tokens: 20, audio_tokens: 21 },
      { cached_tokens: 20, audio_tokens: 20 },
    ],
    [{ cached_tokens: -1, audio_tokens: 0 }, { audio_tokens: 0 }],
    [{ cached_tokens: null, note: 'kept' }, { note: 'kept' }],
    [
      { note: 'kept', audio_tokens: 99 },
      { note: 'kept', audio_tokens: 20 },
    ],
  ])('has the prompt details %j as %j', (reported, expected) => {
    expect(clip(usage(20, 1, { prompt_tokens_details: reported })).prompt_tokens_details).toEqual(expected);
  });

  it.each([{ note: 'text' }, { cached_tokens: undefined }, { cached_tokens: 20 }])(
    'keeps the details %j as they are',
    (details) => {
      const possible = usage(20, 1, { prompt_tokens_details: details });
      expect(clip(possible)).toBe(possible);
    },
  );
});

describe('What a provider charges', () => {
  const call = { promptTokens: 100, maxOutputTokens: 400, expectedOutputTokens: 50 } as Call;

  /** Feeds `pairs + 1` readings, 1 s apart, in which the provider charges `each` tokens per call. */
  function learn(
    each: number,
    pairs = 10,
    { provider = 'other', gapMs = 1_000, limit = 60_000, isStated = true, top = 100_000 } = {},
  ): TokensCharged {
    const charged = new TokensCharged({ tokensCharged: 'auto', provider });
    const stated = isStated ? limit : undefined;
    charged.observeRemaining(charged.recordSent(call, 0), top, stated);
    let remaining = 50_000;
    for (let n = 1; n <= pairs + 1; n++) {
      remaining += (limit / 60_000) * gapMs - each;
      charged.observeRemaining(charged.recordSent(call, n * gapMs), remaining, stated);
      charged.recordOutput(20);
    }
    return charged;
  }

  it('is known after ten pairs of readings', () => {
    expect(learn(500, 9).mode).toBeUndefined();
    expect(learn(500, 10).mode).toBe('reserved');
    expect(learn(120, 10).mode).toBe('actual');
  });

  it('stays unknown if neither explains the readings clearly better', () => {
    expect(learn(310, 30).mode).toBeUndefined();
    // Errors of 160 and 220 tokens are too similar: the smaller must be below 0.7 of the other.
    expect(learn(340, 30).mode).toBeUndefined();
    expect(learn(350, 30).mode).toBe('reserved');
    expect(learn(280, 30).mode).toBeUndefined();
    expect(learn(270, 30).mode).toBe('actual');
  });

  it('is assumed to be reserved for OpenAI and Azure, once headers have shown tokens', () => {
    const known = new TokensCharged({ tokensCharged: 'auto', provider: 'azure' });
    expect(known.mode).toBeUndefined();
    known.observeRemaining(known.recordSent(call, 0), 5, undefined);
    expect(known.mode).toBe('reserved');
    expect(learn(120, 10, { provider: 'openai' }).mode).toBe('actual');
  });

  it('is not learnt from readings more than 10 s apart, without a limit, or from a bucket that may have been full', () => {
    expect(learn(500, 30, { gapMs: 10_000, limit: 600 }).mode).toBeDefined();
    expect(learn(500, 30, { gapMs: 10_001, limit: 600 }).mode).toBeUndefined();
    expect(learn(500, 30, { isStated: false }).mode).toBeUndefined();
    expect(learn(500, 30, { top: 0 }).mode).toBeUndefined();
  });

  it('is not learnt from readings of 0, nor from those of an earlier attempt', () => {
    const charged = new TokensCharged({ tokensCharged: 'auto', provider: 'other' });
    for (let n = 0; n < 30; n++) charged.observeRemaining(charged.recordSent(call, n), 0, 60_000);
    expect(charged.mode).toBeUndefined();
    const late = new TokensCharged({ tokensCharged: 'auto', provider: 'other' });
    late.observeRemaining(late.recordSent(call, 0), 100_000, 60_000);
    for (let n = 0; n < 30; n++) late.observeRemaining(late.recordSent(call, 0), 50_000 - 500 * n, 60_000);
    expect(late.mode).toBeUndefined();
  });

  it('is what the configuration says, if it says so', () => {
    const charged = new TokensCharged({ tokensCharged: 'actual', provider: 'openai' });
    charged.observeRemaining(charged.recordSent(call, 0), 5, 60_000);
    expect([charged.mode, charged.configured]).toEqual(['actual', 'actual']);
    charged.configure({ tokensCharged: 'auto', provider: 'openai' });
    // Nothing was learnt while the mode was configured.
    expect([charged.mode, charged.configured]).toEqual([undefined, 'auto']);
  });

  it('is forgotten when the provider changes', () => {
    const charged = learn(500);
    charged.configure({ tokensCharged: 'auto', provider: 'other' });
    expect(charged.mode).toBe('reserved');
    charged.configure({ tokensCharged: 'auto', provider: 'another' });
    expect(charged.mode).toBeUndefined();
  });

  it('counts the expected output of a call without max_tokens', () => {
    const charged = new TokensCharged({ tokensCharged: 'auto', provider: 'other' });
    const open = { promptTokens: 100, expectedOutputTokens: 50 } as Call;
    expect(charged.recordSent(open, 3)).toEqual({ at: 3, reserved: 150, actual: 100 });
    charged.recordOutput(20);
    expect(charged.recordSent(call, 4)).toEqual({ at: 4, reserved: 650, actual: 220 });
  });
});
