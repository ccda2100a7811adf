import { openai } from '../../lib/provider/presets';
import { configWith, endpointWith, faultsOf } from './endpoints-of';

const POSITIVE = 'a finite number above 0';

describe('resolveConfig() with an invalid configuration', () => {
  it('reports every fault on its own line with path, expected and got', () => {
    expect(
      faultsOf({
        endpoints: [
          { name: 'a', model: 'gpt-4o', rpm: Number.NaN },
          { name: 'a', model: 'gpt-4o', weight: -1, aliases: 'fast' },
          { name: 'c', model: 'gpt-4o', tpm: { input: -5, output: 10 } },
        ],
        queue: { maxSize: 1.5 },
        strategy: 'fastest',
      }),
    ).toEqual([
      `endpoints[0].rpm: expected ${POSITIVE}, got NaN`,
      'endpoints[1].aliases: expected an array of strings, got "fast"',
      'endpoints[1].weight: expected a finite number of at least 0, got -1',
      `endpoints[2].tpm.input: expected ${POSITIVE}, got -5`,
      expect.stringMatching(/^strategy: expected 'adaptive', .*, got "fastest"$/),
      'queue.maxSize: expected a whole number of at least 0, got 1.5',
      'endpoints[1].name: expected a name that endpoints[0] does not have, got "a"',
    ]);
  });

  it('names the option that tells the keys of one preset apart', () => {
    const key = (apiKey: string) => openai({ apiKey, models: ['gpt-4o'] });
    expect(faultsOf({ endpoints: [...key('first'), ...key('second')] })).toEqual([
      'endpoints[1].name: expected a name that endpoints[0] does not have; give each key of a preset its own namePrefix, got "openai-gpt-4o"',
    ]);
  });

  it.each([
    ['nothing', undefined, 'config: expected an object, got undefined'],
    ['a string', 'x', 'config: expected an object, got a string (not shown)'],
    ['no endpoints', {}, 'endpoints: expected an array of endpoints, got undefined'],
    ['an empty list', { endpoints: [] }, 'endpoints: expected at least one endpoint, got an empty array'],
    ['a number as endpoint', { endpoints: [7] }, 'endpoints[0]: expected an object, got 7'],
  ])('reports the fault of %s', (_, config, fault) => {
    expect(faultsOf(config)).toEqual([fault]);
  });

  it.each([
    ['rpm', 0],
    ['rpm', Infinity],
    ['rpm', '500'],
    ['tpm', -1],
    ['tpm', { input: 1 }],
    ['tpm', { input: 1, output: 2, total: 3 }],
    ['rpd', Number.NaN],
    ['tpd', null],
    ['maxConcurrent', 0],
    ['maxConcurrent', 2.5],
    ['burstSeconds', 0],
    ['weight', Number.NaN],
    ['weight', Infinity],
    ['tier', 1.5],
    ['tier', -1],
    ['quality', 1.1],
    ['contextWindow', 0],
    ['price', { input: 1 }],
    ['price', { input: -1, output: 1 }],
    ['price', 5],
    ['capabilities', ['tool']],
    ['strengths', ['poetry']],
    ['tags', [1]],
    ['tokensCharged', 'later'],
    ['headers', { 'x y': '1' }],
    ['headers', { ok: 'a\r\nb: c' }],
    ['headers', { 'Content-Length': '3' }],
    ['timeouts', { totalMs: 0 }],
    ['timeouts', { stallMs: 2 ** 31 }],
    ['name', ''],
    ['name', 'two\nlines'],
    ['model', 4],
    ['apiKey', 12345],
    ['aliases', ['*']],
    ['model', 'auto'],
  ])('rejects an endpoint with %s: %j', (option, value) => {
    const faults = faultsOf(endpointWith({ [option]: value }));
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(new RegExp(`^endpoints\\[0\\]\\.${option}\\b.*: expected .+, got .+`));
  });

  it.each([
    ['retry', { maxAttempts: 0 }],
    ['retry', { budgetRatio: 2 }],
    ['retry', { baseDelayMs: 9_000 }],
    ['retry', { baseDelayMs: 500, maxDelayMs: 400 }],
    ['breaker', { errorThresholdPercentage: 0 }],
    ['breaker', { resetTimeoutMs: 30_000 }],
    ['breaker', { consecutiveFailures: Number.NaN }],
    ['hedge', true],
    ['hedge', { budgetRatio: -0.1 }],
    ['hedge', { delayMs: Infinity }],
    ['stream', { recovery: 'retry' }],
    ['scoreWeights', { cost: -1 }],
    ['scoreWeights', { costs: 1 }],
    ['timeouts', { connectMs: -5 }],
    ['models', { 'gpt-4o': { quality: 2 } }],
    ['models', { 'gpt-4o': { latency: { firstTokenMs: 1 } } }],
    ['classify', 'chat'],
    ['estimateTokens', 4],
    ['logger', { info() {} }],
    ['strategy', { name: 'mine' }],
    ['dialects', { mine: { name: 'mine' } }],
    ['http', { axios: {} }],
    ['http', { proxy: { host: 'p' } }],
    ['http', { maxResponseBytes: 0 }],
    ['fallbacks', { 'gpt-4o': 'gpt-4o-mini' }],
    ['quotaGroups', { g: { rpm: 5 } }],
  ])('rejects the option %s: %j', (option, value) => {
    const faults = faultsOf(configWith({ [option]: value }));
    expect(faults.length).toBeGreaterThan(0);
    for (const fault of faults) expect(fault).toMatch(new RegExp(`^${option}\\b.*: expected .+, got .+`));
  });

  it('suggests the option that was probably meant by a misspelled one', () => {
    expect(faultsOf(configWith({ stratgy: 'weighted' }))).toEqual([
      "stratgy: expected a known option (did you mean 'strategy'?), got an unknown option (a string)",
    ]);
    expect(faultsOf(endpointWith({ base_url: 'https://x.example' }))[0]).toContain("did you mean 'baseURL'?");
    expect(faultsOf(endpointWith({ somethingElse: 1 }))[0]).toContain(
      'expected one of name, model, provider',
    );
  });

  it('throws an error with a message of bounded length', () => {
    const endpoints = Array.from({ length: 1000 }, (_, index) => ({
      name: `e${index}`,
      model: 'm',
      rpm: -1,
    }));
    const faults = faultsOf({ endpoints });
    expect(faults).toHaveLength(201);
    expect(faults.at(-1)).toBe('and 800 more');
  });
});

describe('The option baseURL', () => {
  it.each([
    'ftp://host/v1',
    'data:application/json,{}',
    'file:///etc/passwd',
    'api.openai.com/v1',
    'https://user:secret@host/v1',
    'https://host/v1?api_key=secret',
    'https://host/v1#part',
    '',
  ])('is rejected if it is %j, and no password is shown', (baseURL) => {
    const faults = faultsOf(endpointWith({ baseURL }));
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(/^endpoints\[0\]\.baseURL: expected an http or https URL/);
    expect(faults[0]).not.toContain('secret');
  });

  it('is required if the provider has no default base URL', () => {
    const dialect = { name: 'd', operations: ['chat'], request() {}, answer() {}, failure() {}, limits() {} };
    const config = endpointWith({ provider: 'house' });
    expect(faultsOf({ ...config, dialects: { house: dialect } })).toEqual([
      "endpoints[0].baseURL: expected a URL, since the provider 'house' has none of its own, got undefined",
    ]);
  });
});

describe('The option cluster.redis', () => {
  it('is rejected if its host is undefined, because ioredis would then connect to this machine', () => {
    const { host, ...others } = { host: undefined, port: 6379 };
    const faults = (redis: object) => faultsOf({ ...endpointWith({}), cluster: { redis } });
    expect(faults({ host, ...others })[0]).toMatch(/^cluster\.redis: .*is the environment variable set\?/);
    expect(faults(others)).toEqual([]);
  });
});

describe('The option apiKey', () => {
  it('is rejected if it looks like a placeholder, because placeholders are not expanded', () => {
    for (const apiKey of ['${OPENAI_API_KEY}', '$OPENAI_API_KEY']) {
      expect(faultsOf(endpointWith({ apiKey }))[0]).toMatch(/^endpoints\[0\]\.apiKey: .*process\.env\.NAME/);
    }
  });

  it('is rejected if it is undefined and the provider requires a key', () => {
    expect(faultsOf(endpointWith({ apiKey: undefined }))[0]).toMatch(/is the environment variable set\?/);
    expect(faultsOf(endpointWith({ apiKey: undefined, baseURL: 'http://127.0.0.1:8080/v1' }))).toEqual([]);
    expect(faultsOf(endpointWith({ apiKey: undefined, provider: 'ollama' }))).toEqual([]);
    // Nothing else speaks its format, so an address alone does not stand for a server without keys.
    const azure = { apiKey: undefined, provider: 'azure', baseURL: 'https://shop.openai.azure.com' };
    expect(faultsOf(endpointWith(azure))[0]).toMatch(/is the environment variable set\?/);
  });

  it.each([
    { apiKey: 'has space secret-1' },
    { apikey: 'sk-secret-1234567' },
    { api_key: 'secret-1' },
    { headers: { authorization: 'Bearer secret-1\n' } },
    { headers: 'secret-1' },
    { name: 'a\nb', apiKey: 'secret-1' },
    { provider: 'sk-secret-12345678' },
    { baseURL: 'https://me:secret-1@h' },
    { apiKey: ['secret-1'] },
  ])('is not shown in the fault of %j', (extra) => {
    const text = faultsOf(endpointWith(extra)).join('\n');
    expect(text).not.toBe('');
    expect(text).not.toContain('secret');
  });
});

describe('Checks across options', () => {
  it('reject a provider without a dialect', () => {
    expect(faultsOf(endpointWith({ provider: 'opnai' }))).toEqual([
      `endpoints[0].provider: expected a provider that has a dialect (did you mean 'openai'?), got "opnai"`,
    ]);
  });

  it('reject an alias that is the name of another model, and allow two models to share an alias', () => {
    const shared = { apiKey: 'k', aliases: ['fast'] };
    expect(
      faultsOf({
        endpoints: [
          { ...shared, name: 'a', model: 'gpt-4o' },
          { ...shared, name: 'b', model: 'gpt-4o-mini' },
        ],
      }),
    ).toEqual([]);
    expect(
      faultsOf({
        endpoints: [
          { name: 'a', model: 'gpt-4o', aliases: ['gpt-4o-mini', 'gpt-4o'] },
          { name: 'b', model: 'gpt-4o-mini' },
        ],
      }),
    ).toEqual([
      `endpoints[0].aliases[0]: expected an alias that is not another model's own name (that of endpoints[1]), got "gpt-4o-mini"`,
    ]);
  });

  it('reject a fallback to a model without an endpoint', () => {
    expect(faultsOf(configWith({ fallbacks: { 'gpt-4o': ['gpt-4o-mini'], 'gpt-5': ['gpt-4o'] } }))).toEqual([
      expect.stringMatching(/^fallbacks\["gpt-4o"\]\[0\]: expected a model or alias that an endpoint has/),
      expect.stringMatching(/^fallbacks\["gpt-5"\]: expected the name of a model or alias/),
    ]);
    expect(faultsOf(configWith({ fallbacks: { '*': ['gtp-4o'] } }))).toEqual([
      'fallbacks["*"][0]: expected a model or alias that an endpoint has (did you mean \'gpt-4o\'?), got "gtp-4o"',
    ]);
    expect(faultsOf(configWith({ contentPolicyFallbacks: { '*': ['gpt-5'] } }))).toHaveLength(1);
    expect(faultsOf(configWith({ fallbacks: { 'gpt-4o': ['gpt-4o'] } }))).toHaveLength(1);
  });

  it('reject a quota group that no endpoint uses', () => {
    const config = { ...endpointWith({ quotaGroup: 'account-a' }), quotaGroups: { acount: { rpm: 5 } } };
    expect(faultsOf(config)).toEqual([
      "quotaGroups.acount: expected the quotaGroup of at least one endpoint (did you mean 'account-a'?), got a group that no endpoint uses",
    ]);
  });
});
