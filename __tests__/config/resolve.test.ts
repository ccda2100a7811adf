import axios from 'axios';
import { DEFAULTS } from '../../lib/config/defaults';
import type { BalancerConfig } from '../../lib/config/options';
import { resolveConfig } from '../../lib/config/resolve';
import { openaiDialect } from '../../lib/provider/openai/openai-dialect';
import { endpointsOf } from './endpoints-of';

const FIVE = ['gpt-4.1', 'gpt-4o', 'gpt-4o-mini', 'claude-sonnet-4-20250514', 'deepseek-chat'];

describe('The defaults of the configuration', () => {
  it('replace options that are absent or undefined', () => {
    const config = resolveConfig({
      endpoints: endpointsOf('gpt-4o'),
      retry: { maxAttempts: 2, budgetRatio: undefined },
      timeouts: { stallMs: 1_000 },
    });
    expect(config.retry).toEqual({ ...DEFAULTS.retry, maxAttempts: 2 });
    expect(config.breaker).toEqual({
      consecutiveFailures: 5,
      errorThresholdPercentage: 50,
      volumeThreshold: 10,
      resetTimeoutMs: 1_000,
      maxResetTimeoutMs: 20_000,
      rampMs: 5_000,
    });
    expect(config.hedge).toEqual({ budgetRatio: 0.05 });
    expect(config.queue.maxSize).toBe(10_000);
    expect(config.stream.recovery).toBe('error');
    expect(config.http).toEqual({ axios: undefined, proxy: false, maxResponseBytes: 33_554_432 });
    expect(config.endpoints[0]).toMatchObject({
      provider: 'openai',
      baseURL: 'https://api.openai.com/v1',
      weight: 1,
      tier: 0,
      burstSeconds: 10,
      maxConcurrent: Infinity,
      tokensCharged: 'auto',
      limits: {},
      timeouts: {
        totalMs: 60_000,
        embeddingsMs: 30_000,
        connectMs: 5_000,
        firstTokenMs: 30_000,
        stallMs: 1_000,
        readerStallMs: 60_000,
      },
    });
  });

  it('come from the catalogue for the values of a model, unless the endpoint sets them', () => {
    const [listed, own] = resolveConfig({
      endpoints: [
        { name: 'a', model: 'gpt-4o' },
        {
          name: 'b',
          model: 'gpt-4o',
          price: { input: 1, output: 2 },
          contextWindow: 1000,
          quality: 0.5,
          capabilities: ['chat'],
        },
      ],
    }).endpoints;
    expect(listed).toMatchObject({
      price: { input: 2.5, output: 10 },
      contextWindow: 128_000,
      quality: 0.88,
    });
    expect(listed?.capabilities.has('vision')).toBe(true);
    expect(own).toMatchObject({ price: { input: 1, output: 2 }, contextWindow: 1000, quality: 0.5 });
    expect([...(own?.capabilities ?? [])]).toEqual(['chat']);
  });

  it('are frozen', () => {
    expect(Object.isFrozen(DEFAULTS.retry)).toBe(true);
    const config = resolveConfig({ endpoints: endpointsOf('gpt-4o') });
    expect(Object.isFrozen(config.endpoints[0]?.timeouts)).toBe(true);
  });

  it('do not replace hedge: false', () => {
    expect(resolveConfig({ endpoints: endpointsOf('gpt-4o'), hedge: false }).hedge).toBe(false);
  });
});

describe('A resolved configuration', () => {
  it("is a copy, so that the caller's object is not changed and later changes of it have no effect", () => {
    const given = {
      endpoints: [
        {
          ...endpointsOf('gpt-4o')[0]!,
          aliases: ['big'],
          tags: ['eu'],
          headers: { 'x-team': 'a' },
          price: { input: 1, output: 1 },
          tpm: { input: 100, output: 10 },
        },
        ...endpointsOf('gpt-4o-mini'),
      ],
      fallbacks: { 'gpt-4o': ['gpt-4o-mini'] },
      retry: { maxAttempts: 3 },
    } satisfies BalancerConfig;
    const before = structuredClone(given);
    const config = resolveConfig(given);
    expect(given).toEqual(before);

    given.endpoints[0]!.headers!['x-team'] = 'b';
    given.endpoints[0]!.aliases!.push('small');
    Object.assign(given.endpoints[0]!.price!, { input: 99 });
    given.fallbacks['gpt-4o'].length = 0;
    given.retry.maxAttempts = 99;
    given.endpoints.length = 0;

    expect(config.endpoints).toHaveLength(2);
    expect(config.endpoints[0]).toMatchObject({
      headers: { 'x-team': 'a' },
      aliases: ['big'],
      price: { input: 1, output: 1 },
      limits: { inputTpm: 100, outputTpm: 10 },
    });
    expect(config.fallbacks.get('gpt-4o')).toEqual(['gpt-4o-mini']);
    expect(config.retry.maxAttempts).toBe(3);
  });

  it('keeps functions and instances by reference', () => {
    const logger = { debug() {}, info() {}, warn: jest.fn(), error() {} };
    const strategy = { name: 'first', pick: () => undefined };
    const http = { axios: axios.create() };
    const key = () => 'rotating';
    const config = resolveConfig({
      endpoints: [{ name: 'a', model: 'gpt-4o', apiKey: key }],
      logger,
      strategy,
      http,
    });
    if (config.logger) config.logger.warn({}, 'a warning');
    expect(logger.warn).toHaveBeenCalledWith({}, 'a warning');
    expect(config.strategy).toBe(strategy);
    expect(config.http.axios).toBe(http.axios);
    expect(config.endpoints[0]?.apiKey).toBe(key);
  });

  it('removes trailing slashes of a base URL and white space around a key', () => {
    const [endpoint] = resolveConfig({
      endpoints: [{ name: 'a', model: 'm', baseURL: 'http://127.0.0.1:9/v1//', apiKey: ' key\n' }],
    }).endpoints;
    expect(endpoint?.baseURL).toBe('http://127.0.0.1:9/v1');
    expect(endpoint?.apiKey).toBe('key');
  });

  it("has a dialect for every OpenAI-compatible provider, and the app's own dialects", () => {
    const own = { ...openaiDialect, name: 'house' };
    const { dialects } = resolveConfig({
      endpoints: endpointsOf('gpt-4o'),
      dialects: { house: own, groq: own },
    });
    for (const provider of ['openai', 'holysheep', 'deepseek', 'mistral', 'openrouter', 'ollama']) {
      expect(dialects.get(provider)).toBe(openaiDialect);
    }
    expect(dialects.get('house')).toBe(own);
    expect(dialects.get('groq')).toBe(own);
  });

  it('lists models that are neither in the catalogue nor in the configuration', () => {
    const endpoints = endpointsOf('gpt-4o', 'house-model', 'house-model-2');
    const config = resolveConfig({ endpoints, models: { 'house-model-2': { quality: 0.9 } } });
    expect(config.unknownModels).toEqual(['house-model']);
    expect(config.endpoints[2]).toMatchObject({ quality: 0.9, contextWindow: 128_000, price: undefined });
  });
});

describe('The option fallbacks', () => {
  it("defaults to the catalogue's lists", () => {
    const { fallbacks } = resolveConfig({ endpoints: endpointsOf(...FIVE) });
    expect(Object.fromEntries(fallbacks)).toEqual({
      'gpt-4.1': ['gpt-4o', 'gpt-4o-mini', 'claude-sonnet-4-20250514'],
      'gpt-4o': ['gpt-4o-mini', 'claude-sonnet-4-20250514'],
      'gpt-4o-mini': ['claude-sonnet-4-20250514', 'deepseek-chat'],
      'claude-sonnet-4-20250514': ['gpt-4o', 'gpt-4o-mini'],
      'deepseek-chat': ['gpt-4o-mini', 'gpt-4o'],
    });
  });

  it('defaults to lists that contain only models with endpoints, in any spelling', () => {
    const { fallbacks } = resolveConfig({ endpoints: endpointsOf('gpt-4.1', 'openai/gpt-4o-mini') });
    expect(Object.fromEntries(fallbacks)).toEqual({ 'gpt-4.1': ['openai/gpt-4o-mini'] });
  });

  it('turns fallbacks off with {}', () => {
    expect(resolveConfig({ endpoints: endpointsOf(...FIVE), fallbacks: {} }).fallbacks.size).toBe(0);
  });

  it("replaces the catalogue's lists, and accepts '*' for any other model", () => {
    const { fallbacks } = resolveConfig({
      endpoints: endpointsOf(...FIVE),
      fallbacks: { 'gpt-4o': ['deepseek-chat'], '*': ['gpt-4o-mini'] },
    });
    expect(Object.fromEntries(fallbacks)).toEqual({ 'gpt-4o': ['deepseek-chat'], '*': ['gpt-4o-mini'] });
  });

  it('accepts aliases, which are replaced by their models', () => {
    const { fallbacks } = resolveConfig({
      endpoints: [
        { name: 'a', model: 'gpt-4o', aliases: ['big'] },
        { name: 'b', model: 'gpt-4o-mini', aliases: ['small'] },
        { name: 'c', model: 'deepseek-chat', aliases: ['small'] },
      ],
      fallbacks: { big: ['small'], small: ['gpt-4o', 'small-model'].slice(0, 1) },
    });
    expect(Object.fromEntries(fallbacks)).toEqual({
      'gpt-4o': ['gpt-4o-mini', 'deepseek-chat'],
      'gpt-4o-mini': ['gpt-4o'],
      'deepseek-chat': ['gpt-4o'],
    });
  });

  it("defaults to the fallbacks in the option models if those override the catalogue's", () => {
    const { fallbacks } = resolveConfig({
      endpoints: endpointsOf('gpt-4o', 'deepseek-chat'),
      models: { 'gpt-4o': { fallbacks: ['deepseek-chat'] }, 'deepseek-chat': { fallbacks: [] } },
    });
    expect(Object.fromEntries(fallbacks)).toEqual({ 'gpt-4o': ['deepseek-chat'] });
  });
});

describe('The option quotaGroups', () => {
  const pair = (a: object, b: object) => [
    { name: 'a', model: 'gpt-4o', quotaGroup: 'account', ...a },
    { name: 'b', model: 'gpt-4o-mini', quotaGroup: 'account', ...b },
    { name: 'c', model: 'gpt-4o', rpm: 5 },
  ];

  it('gives a group without an entry the lowest limits of its endpoints', () => {
    const { quotaGroups } = resolveConfig({
      endpoints: pair({ rpm: 500, tpm: 1000 }, { rpm: 300, tpm: { input: 50, output: 20 }, rpd: 9 }),
    });
    expect([...quotaGroups]).toEqual([
      ['account', { rpm: 300, tpm: 1000, inputTpm: 50, outputTpm: 20, rpd: 9 }],
    ]);
  });

  it('gives a group the limits of its entry, in addition to those of its endpoints', () => {
    const config = resolveConfig({
      endpoints: pair({ rpm: 500 }, { rpm: 300 }),
      quotaGroups: { account: { rpm: 600, tpm: { input: 10, output: 5 } } },
    });
    expect(config.quotaGroups.get('account')).toEqual({ rpm: 600, inputTpm: 10, outputTpm: 5 });
    expect(config.endpoints[1]?.limits).toEqual({ rpm: 300 });
  });
});
