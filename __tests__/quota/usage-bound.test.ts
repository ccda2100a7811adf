import type { Usage } from '../../lib/call/answer';
import type { Call } from '../../lib/call/call';
import { Cooldown } from '../../lib/quota/cooldown';
import { clipUsage } from '../../lib/quota/usage-bound';

const CALL = {
  operation: 'chat',
  body: { messages: [{ role: 'user', content: 'hi' }] },
  promptTokens: 10,
} as unknown as Call;
const LIMITS = { contextWindow: 5_000, maxOutputTokens: 100 };
const usage = (prompt: number, completion: number, more: object = {}): Usage => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
  ...more,
});

describe('clipUsage', () => {
  it('returns the same object if every figure is possible', () => {
    const possible = usage(20, 30, { prompt_tokens_details: { cached_tokens: 20 } });
    expect(clipUsage(possible, CALL, LIMITS)).toBe(possible);
  });

  it.each<[string, Usage, Partial<Call>, Usage]>([
    ['caps the completion at the output that the model can have', usage(20, 900), {}, usage(20, 100)],
    ['caps it for each choice', usage(20, 900), { body: { messages: [], n: 3 } }, usage(20, 300)],
    ['caps it at max_tokens', usage(20, 900), { maxOutputTokens: 7 }, usage(20, 7)],
    ['allows embeddings no completion', usage(20, 9), { operation: 'embeddings' }, usage(20, 0)],
    [
      'caps the prompt at the window if the provider stores a part of it',
      usage(9_000, 1),
      { responses: { nativeOnly: 'previous_response_id' } } as never,
      usage(5_000, 1),
    ],
    [
      'caps the parts at the whole, and drops those that are negative',
      usage(20, 30, {
        prompt_tokens_details: { cached_tokens: 50, audio_tokens: -1, note: 'x' },
        completion_tokens_details: { reasoning_tokens: 31 },
      }),
      {},
      usage(20, 30, {
        prompt_tokens_details: { cached_tokens: 20, note: 'x' },
        completion_tokens_details: { reasoning_tokens: 30 },
      }),
    ],
    [
      'drops cached tokens that are no number',
      usage(20, 30, { prompt_tokens_details: { cached_tokens: 'many' } }),
      {},
      usage(20, 30, { prompt_tokens_details: {} }),
    ],
  ])('%s', (_what, reported, call, expected) => {
    expect(clipUsage(reported, { ...CALL, ...call }, LIMITS)).toEqual(expected);
  });
});

describe('The cooldown after a 429', () => {
  afterEach(() => void jest.restoreAllMocks());

  it.each<[string, Parameters<Cooldown['startAfterRefusal']>[0], number]>([
    ['is one second without any header', {}, 1_000],
    ['is its Retry-After', { retryAfterMs: 5_000 }, 5_000],
    [
      'lasts until every used-up window has reset',
      { reading: { requests: { remaining: 0, resetMs: 2_000 }, tokens: { remaining: 0, resetMs: 7_000 } } },
      7_000,
    ],
    ['is one second if a used-up window states no reset', { reading: { tokens: { remaining: 0 } } }, 1_000],
    ['ignores windows with units left', { reading: { tokens: { remaining: 5, resetMs: 9_000 } } }, 1_000],
    [
      'lasts at most ten minutes while a daily limit is used up',
      { reading: { requestsPerDay: { remaining: 0, resetMs: 3_600_000 } } },
      600_000,
    ],
    [
      'lasts until a daily limit resets soon',
      { reading: { tokensPerDay: { remaining: 0, resetMs: 200 } } },
      200,
    ],
    [
      'is at least its Retry-After while a daily limit is used up',
      { retryAfterMs: 900_000, reading: { tokensPerDay: { remaining: 0, resetMs: 3_600_000 } } },
      900_000,
    ],
  ])('%s', (_what, refusal, ms) => {
    jest.spyOn(Math, 'random').mockReturnValue(0);
    const cooldown = new Cooldown();
    cooldown.startAfterRefusal(refusal, 100);
    expect(cooldown.until).toBe(100 + ms);
  });
});
