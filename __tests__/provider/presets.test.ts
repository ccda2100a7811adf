import { resolveConfig } from '../../lib/config/resolve';
import { AiBalancerError } from '../../lib/errors';
import {
  anthropic,
  azureOpenAI,
  deepseek,
  gemini,
  groq,
  holysheep,
  mistral,
  ollama,
  openai,
  openrouter,
  together,
  xai,
} from '../../lib/provider/presets';

const apiKey = 'test-key';

function faultOf(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    if (AiBalancerError.isInstance(error) && error.code === 'ERR_AI_CONFIG') return error.message;
    throw error;
  }
  return 'no fault';
}

describe('holysheep()', () => {
  it('creates five chat endpoints and one embedding endpoint with 500 RPM and 150,000 TPM each', () => {
    const endpoints = holysheep({ apiKey });
    expect(endpoints.map(({ model }) => model)).toEqual([
      'gpt-4.1',
      'gpt-4o',
      'gpt-4o-mini',
      'claude-sonnet-4-20250514',
      'deepseek-chat',
      'text-embedding-3-small',
    ]);
    for (const endpoint of endpoints) {
      expect(endpoint).toMatchObject({
        baseURL: 'https://api.holysheep.ai/v1',
        provider: 'holysheep',
        apiKey,
        rpm: 500,
        tpm: 150_000,
      });
    }
    const resolved = resolveConfig({ endpoints });
    expect(resolved.unknownModels).toEqual([]);
    expect(resolved.fallbacks.get('gpt-4.1')).toEqual(['gpt-4o', 'gpt-4o-mini', 'claude-sonnet-4-20250514']);
  });

  it('accepts other limits, models and weights, and a second key under another name prefix', () => {
    const endpoints = [
      ...holysheep({
        apiKey: 'k1',
        models: ['gpt-4o'],
        rpm: 50,
        tpm: { input: 9, output: 3 },
        weight: 3,
        tier: 1,
      }),
      ...holysheep({ apiKey: () => 'k2', models: ['gpt-4o'], namePrefix: 'second' }),
    ];
    expect(endpoints).toMatchObject([
      { name: 'holysheep-gpt-4o', rpm: 50, tpm: { input: 9, output: 3 }, weight: 3, tier: 1 },
      { name: 'second-gpt-4o', rpm: 500 },
    ]);
    expect(resolveConfig({ endpoints }).endpoints).toHaveLength(2);
  });
});

describe('Preset', () => {
  it.each([
    ['openai', openai, 'https://api.openai.com/v1'],
    ['deepseek', deepseek, 'https://api.deepseek.com/v1'],
    ['groq', groq, 'https://api.groq.com/openai/v1'],
    ['mistral', mistral, 'https://api.mistral.ai/v1'],
    ['anthropic', anthropic, 'https://api.anthropic.com/v1'],
    ['xai', xai, 'https://api.x.ai/v1'],
    ['gemini', gemini, 'https://generativelanguage.googleapis.com/v1beta'],
  ] as const)(
    '%s() creates a valid configuration of catalogue models without limits',
    (provider, preset, baseURL) => {
      const config = resolveConfig({ endpoints: preset({ apiKey }) });
      expect(config.unknownModels).toEqual([]);
      expect(config.endpoints.length).toBeGreaterThan(0);
      for (const endpoint of config.endpoints)
        expect(endpoint).toMatchObject({ provider, baseURL, limits: {} });
    },
  );

  it('openrouter(), together() and ollama() create an endpoint for each given model', () => {
    const endpoints = [
      ...openrouter({ apiKey, models: ['openai/gpt-4o'] }),
      ...together({ apiKey, models: ['meta-llama/Llama-3.3-70B-Instruct-Turbo'] }),
      ...ollama({
        models: ['llama3.3', 'nomic-embed-text'],
        baseURL: 'http://gpu-box:11434/v1',
        maxConcurrent: 2,
      }),
    ];
    expect(resolveConfig({ endpoints }).endpoints).toMatchObject([
      { name: 'openrouter-openai/gpt-4o', baseURL: 'https://openrouter.ai/api/v1', price: { input: 2.5 } },
      { name: 'together-meta-llama/Llama-3.3-70B-Instruct-Turbo', baseURL: 'https://api.together.xyz/v1' },
      {
        model: 'llama3.3',
        baseURL: 'http://gpu-box:11434/v1',
        price: { input: 0, output: 0 },
        maxConcurrent: 2,
      },
      { model: 'nomic-embed-text', apiKey: undefined },
    ]);
    expect(faultOf(() => ollama({} as never))).toContain('ollama().models: expected');
  });

  it('azureOpenAI() creates an endpoint for each deployment, with the profile of its model', () => {
    const deployments = { 'gpt-4o': 'my-gpt-4o' };
    const endpoints = [
      ...azureOpenAI({ resource: 'r', apiKey, deployments, apiVersion: '2024-10-21' }),
      ...azureOpenAI({
        baseURL: 'https://x.example.com/openai/v1',
        apiKey,
        deployments: ['gpt-4o'],
        namePrefix: 'v1',
      }),
    ];
    expect(resolveConfig({ endpoints }).endpoints).toMatchObject([
      {
        name: 'azure-gpt-4o',
        provider: 'azure',
        baseURL: 'https://r.openai.azure.com',
        deployment: 'my-gpt-4o',
        apiVersion: '2024-10-21',
        price: { input: 2.5 },
      },
      {
        name: 'v1-gpt-4o',
        baseURL: 'https://x.example.com/openai/v1',
        deployment: 'gpt-4o',
        apiVersion: undefined,
      },
    ]);
    const fault = faultOf(() => azureOpenAI({} as never));
    expect(fault).toContain('azureOpenAI().apiKey: expected');
    expect(fault).toContain("azureOpenAI().resource: expected the resource's name, or a baseURL");
    expect(fault).toContain('azureOpenAI().deployments: expected at least one deployment');
  });

  it.each([undefined, null, '', '  '])(
    'reports a missing key and asks whether the environment variable is set: %j',
    (key) => {
      const fault = faultOf(() => holysheep({ apiKey: key as never }));
      expect(fault).toMatch(/holysheep\(\)\.apiKey: expected .*got .*is the environment variable set\?/);
    },
  );

  it.each<[unknown, string]>([
    [7, 'got a number'],
    [{}, 'got an object'],
  ])(
    'reports a key that is neither a text nor a function, without a hint at the environment: %j',
    (key, got) => {
      const fault = faultOf(() => holysheep({ apiKey: key as never }));
      expect(fault).toContain(`holysheep().apiKey: expected a key or a function that returns one, ${got}`);
      expect(fault).not.toContain('environment');
    },
  );

  it('reports the missing options of azureOpenAI() even if there are none at all', () => {
    expect(faultOf(() => azureOpenAI(undefined as never))).toContain('azureOpenAI().resource: expected');
  });

  it('names the options of azureOpenAI() for an unknown one', () => {
    const given = { resource: 'r', apiKey, deployments: ['gpt-4o'], deployment: 'x', models: ['gpt-4o'] };
    const fault = faultOf(() => azureOpenAI(given));
    expect(fault).toContain(
      "azureOpenAI().deployment: expected a known option (did you mean 'deployments'?), got an unknown option",
    );
    expect(fault).toContain(
      'azureOpenAI().models: expected one of deployments, resource, apiVersion, apiKey,',
    );
  });

  it('reports all invalid options at once without printing the key', () => {
    const fault = faultOf(() => openai({ apikey: 'sk-secret', models: [], rmp: 5 } as never));
    expect(fault).toContain("openai().apikey: expected a known option (did you mean 'apiKey'?)");
    expect(fault).toContain("did you mean 'rpm'?");
    expect(fault).toContain('openai().apiKey: expected a key');
    expect(fault).toContain('openai().models: expected');
    expect(fault).not.toContain('secret');
    expect(faultOf(() => openai(undefined as never))).toContain('openai().apiKey');
  });

  it('leaves values of endpoint options to the validation of the configuration', () => {
    expect(faultOf(() => resolveConfig({ endpoints: groq({ apiKey, rpm: -1 }) }))).toContain(
      'endpoints[0].rpm',
    );
    expect(faultOf(() => resolveConfig({ endpoints: groq({ apiKey: '${GROQ_API_KEY}' }) }))).toContain(
      'process.env',
    );
  });
});
