import { baseNameOf, CATALOGUE, profileOf } from '../../lib/models/catalogue';

describe('Model catalogue', () => {
  it.each([
    ['gpt-4.1', 2, 8, 1_047_576, 0.9],
    ['gpt-4o', 2.5, 10, 128_000, 0.88],
    ['gpt-4o-mini', 0.15, 0.6, 128_000, 0.74],
    ['claude-sonnet-4-20250514', 3, 15, 200_000, 0.92],
    ['deepseek-chat', 0.28, 0.42, 131_072, 0.82],
  ])(
    'contains %s at %d USD per million input and %d USD per million output tokens, context window %d, quality %d',
    (model, input, output, contextWindow, quality) => {
      const { profile, isKnown } = profileOf(model);
      expect(isKnown).toBe(true);
      expect(profile).toMatchObject({ price: { input, output }, contextWindow, quality });
    },
  );

  it.each([
    ['gpt-4o', 16_384],
    ['gpt-4.1-mini', 32_768],
    ['claude-sonnet-4-20250514', 64_000],
    ['deepseek-chat', 8192],
    ['mistral-large', undefined],
  ])('contains %s with a maxOutputTokens of %s', (model, largest) => {
    expect(profileOf(model).profile.maxOutputTokens).toBe(largest);
  });

  it.each([
    ['gpt-4.1', ['gpt-4o', 'gpt-4o-mini', 'claude-sonnet-4-20250514']],
    ['gpt-4o', ['gpt-4o-mini', 'claude-sonnet-4-20250514']],
    ['gpt-4o-mini', ['claude-sonnet-4-20250514', 'deepseek-chat']],
    ['claude-sonnet-4-20250514', ['gpt-4o', 'gpt-4o-mini']],
    ['deepseek-chat', ['gpt-4o-mini', 'gpt-4o']],
  ])('lists the fallbacks of %s', (model, fallbacks) => {
    expect(profileOf(model).profile.fallbacks).toEqual(fallbacks);
  });

  it.each([
    ['gpt-4o-2024-08-06', 'gpt-4o'],
    ['gpt-4o-mini-2024-07-18', 'gpt-4o-mini'],
    ['openai/gpt-4o', 'gpt-4o'],
    ['openrouter/openai/gpt-4.1-2025-04-14', 'gpt-4.1'],
    ['claude-sonnet-4-20250514', 'claude-sonnet-4'],
    ['claude-sonnet-4-5-20250929', 'claude-sonnet-4-5'],
    ['claude-sonnet-4@20250514', 'claude-sonnet-4'],
    ['claude-3-5-haiku-latest', 'claude-3-5-haiku'],
    ['mistral-large-latest', 'mistral-large'],
    ['groq/llama-3.3-70b-versatile', 'llama-3.3-70b'],
    ['meta-llama/Llama-3.3-70B-Instruct', 'llama-3.3-70b'],
    ['gpt-35-turbo', 'gpt-3.5-turbo'],
    ['gpt-4o-audio', 'gpt-4o-audio'],
    ['gpt-4o-2024', 'gpt-4o-2024'],
  ])('resolves %s to the base name %s', (model, base) => {
    expect(baseNameOf(model)).toBe(base);
    expect(profileOf(model).profile === profileOf(base).profile || !profileOf(base).isKnown).toBe(true);
  });

  it('contains no profile for an unknown model, which gets a neutral one without a price', () => {
    const { profile, isKnown } = profileOf('house/llama-9000');
    expect(isKnown).toBe(false);
    expect(profile.price).toBeUndefined();
    expect(profile.capabilities).toEqual(
      expect.arrayContaining(['chat', 'tools', 'vision', 'json_schema', 'streaming']),
    );
    expect(profile.quality).toBeGreaterThan(0.5);
    expect(profile.contextWindow).toBeGreaterThan(0);
  });

  it('treats an unknown model as an embedding model if its name contains embed', () => {
    expect(profileOf('nomic-embed-text').profile.capabilities).toEqual(['embeddings']);
    expect(profileOf('text-embedding-3-small').profile).toMatchObject({
      price: { input: 0.02, output: 0 },
      capabilities: ['embeddings'],
    });
  });

  it.each(['__proto__', 'constructor', 'toString', '', '/', '-latest'])(
    'returns the neutral profile for the model name %j',
    (model) => {
      expect(profileOf(model, {}).isKnown).toBe(false);
      expect(profileOf(model, {}).profile.contextWindow).toBe(128_000);
    },
  );

  it('can be corrected and extended, where an exact name takes precedence over a base name', () => {
    const overrides = { 'gpt-4o': { quality: 0.5, price: undefined }, 'gpt-4o-2024-08-06': { quality: 0.6 } };
    expect(profileOf('gpt-4o', overrides).profile).toMatchObject({
      quality: 0.5,
      price: { input: 2.5, output: 10 },
    });
    expect(profileOf('openai/gpt-4o', overrides).profile.quality).toBe(0.5);
    expect(profileOf('gpt-4o-2024-08-06', overrides).profile.quality).toBe(0.6);
    expect(profileOf('gpt-4o').profile.quality).toBe(0.88);
    expect(profileOf('mine', { mine: { contextWindow: 10 } })).toMatchObject({
      isKnown: true,
      profile: { contextWindow: 10, quality: 0.75 },
    });
  });

  it('has plausible, frozen values in every entry', () => {
    for (const [name, profile] of CATALOGUE) {
      expect(baseNameOf(name)).toBe(name);
      expect(profile.contextWindow).toBeGreaterThan(1000);
      expect(profile.quality).toBeGreaterThan(0);
      expect(profile.quality).toBeLessThanOrEqual(1);
      expect(profile.price?.input).toBeGreaterThan(0);
      expect(profile.price?.input).toBeLessThan(100);
      expect(profile.price?.cachedInput ?? 0).toBeLessThan(profile.price?.input ?? 0);
      expect(profile.latency.firstTokenMs).toBeGreaterThan(0);
      expect(profile.capabilities.length).toBeGreaterThan(0);
      expect(Object.isFrozen(profile.price)).toBe(true);
      for (const fallback of profile.fallbacks ?? []) expect(profileOf(fallback).isKnown).toBe(true);
    }
  });
});
