import { BIFROST, runMigrate } from './migrate';
import { temporaryFiles } from './temporary-files';

const file = temporaryFiles('migrate-settings-');

/** A source, and texts of the written configuration and of the notes about it. */
interface Case {
  readonly source: object;
  readonly args?: readonly string[];
  readonly out?: readonly (string | RegExp)[];
  readonly not?: readonly (string | RegExp)[];
  readonly notes?: readonly (string | RegExp)[];
  readonly notNotes?: readonly (string | RegExp)[];
}

function check({ source, args = [], out = [], not = [], notes = [], notNotes = [] }: Case): void {
  const written = runMigrate(file('source.json', JSON.stringify(source)), ...args);
  for (const text of out) expect(written.out).toMatch(text);
  for (const text of not) expect(written.out).not.toMatch(text);
  for (const text of notes) expect(written.notes).toMatch(text);
  for (const text of notNotes) expect(written.notes).not.toMatch(text);
}

function failure(source: object, ...args: readonly string[]): unknown {
  try {
    return runMigrate(file('wrong.json', JSON.stringify(source)), ...args);
  } catch (error) {
    return error;
  }
}

/** A LiteLLM configuration of one model. */
function one(
  params: object = {},
  { info, ...more }: { info?: object } & Record<string, unknown> = {},
): object {
  const litellm = { model: 'openai/gpt-4o', api_key: 'os.environ/K', ...params };
  return { model_list: [{ model_name: 'gpt-4o', litellm_params: litellm, model_info: info }], ...more };
}

const TWO = [
  { model_name: 'gpt-4o', litellm_params: { model: 'openai/gpt-4o', api_key: 'os.environ/K', rpm: 1 } },
  { model_name: 'claude', litellm_params: { model: 'anthropic/claude-sonnet-4-5', api_key: 'os.environ/C' } },
];

describe('express-ai-balancer migrate from LiteLLM', () => {
  it.each<[string, Case]>([
    [
      'separate limits for input and output tokens',
      { source: one({ itpm: 900, otpm: 300, tpm: 7 }), out: ['tpm: { input: 900, output: 300 }'] },
    ],
    [
      'models that are not in the catalogue, and the name of an Azure deployment as the model', // terms-ok: Azure's word
      {
        source: {
          model_list: [
            { model_name: 'chat', litellm_params: { model: 'azure/shop-4o', api_base: 'https://a.example' } },
            {
              model_name: 'own',
              litellm_params: { model: 'openai/shop-1', api_base: 'http://b.example/v1' },
            },
          ],
        },
        out: ["model: 'shop-4o'"],
        notes: [
          /Check these first:[^]*no price on: chat, own; the catalogue does not have the model: budgets don't count its calls, and .*: set price; for Azure set model to the real model, such as 'gpt-4o', and deployment to its name there: 'shop-4o'$/m, // terms-ok: Azure's word
        ],
      },
    ],
    [
      'a price for a model that is not in the catalogue',
      {
        source: one({ model: 'openai/shop-1', input_cost_per_token: 1e-6, output_cost_per_token: 2e-6 }),
        out: ['price: { input: 1, output: 2 }'],
        notNotes: ['no price on'],
      },
    ],
    [
      'a local model of Ollama, which costs nothing',
      {
        source: one({ model: 'ollama/llama3.3', api_key: undefined }),
        notNotes: ['no price on'],
      },
    ],
    [
      'limits next to litellm_params',
      {
        source: { model_list: [{ ...TWO[1], rpm: 70, tpm: 800 }] },
        out: ['rpm: 70,', 'tpm: 800,'],
      },
    ],
    [
      'a limit in a variable of the environment',
      {
        source: one({ rpm: 'os.environ/RPM' }),
        out: ['rpm: Number(process.env.RPM)'],
        notes: [/^ {2}RPM$/m],
      },
    ],
    ['a number that is written as a text', { source: one({ rpm: '60' }), out: ['rpm: 60,'] }],
    ['a budget per hour', { source: one({ max_budget: 2, budget_duration: '1h' }), out: ['usdPerHour: 2,'] }],
    ['a budget per day', { source: one({ max_budget: 2, budget_duration: '24h' }), out: ['usdPerDay: 2,'] }],
    [
      'a budget per month',
      { source: one({ max_budget: 2, budget_duration: '1mo' }), out: ['usdPerMonth: 2,'] },
    ],
    [
      'a budget of 30 days for all endpoints',
      {
        source: one({}, { litellm_settings: { max_budget: 50, budget_duration: '30d' } }),
        out: ['budgets: { usdPerMonth: 50 }'],
      },
    ],
    [
      'the price of output tokens only, with that of cached ones',
      {
        source: one({ output_cost_per_token: 0.00001, cache_read_input_token_cost: 0.00000125 }),
        out: ['price: { input: 0, output: 10, cachedInput: 1.25 }'],
      },
    ],
    [
      'the price of input tokens in model_info',
      {
        source: one({}, { info: { input_cost_per_token: 0.000002 } }),
        out: ['price: { input: 2, output: 0 }'],
      },
    ],
    [
      'the lengths of a model',
      {
        source: one({}, { info: { max_input_tokens: 9_000, max_tokens: 700 } }),
        out: ['contextWindow: 9000,', 'maxOutputTokens: 700,'],
      },
    ],
    [
      'the organization of an account',
      { source: one({ organization: 'org-1' }), out: ["headers: { 'OpenAI-Organization': 'org-1' }"] },
    ],
    [
      'a placeholder for a key as a variable, and a header without a value as an empty one',
      {
        source: one({ model: 'openai/none-such', api_key: 'none', headers: { 'x-empty': null } }),
        out: ['apiKey: process.env.OPENAI_API_KEY', "model: 'none-such'", "headers: { 'x-empty': '' }"],
      },
    ],
    [
      'a name that is a number',
      {
        source: { model_list: [{ ...TWO[0], model_name: 4 }] },
        out: ["aliases: ['4']"],
      },
    ],
    ['only the timeout of a call', { source: one({ timeout: 5 }), out: ['timeouts: { totalMs: 5000 }'] }],
    [
      'only the timeout of a stream',
      { source: one({ stream_timeout: 0.5 }), out: ['timeouts: { firstTokenMs: 500 }'] },
    ],
    [
      'the timeout of all streams',
      {
        source: one({}, { router_settings: { stream_timeout: 3 } }),
        out: [/^ {2}timeouts: \{ firstTokenMs: 3000 \}/m],
      },
    ],
    ['tags', { source: one({ tags: ['eu', 'cheap'] }), out: ["tags: ['eu', 'cheap']"] }],
    [
      'a provider of its own field, with and without it before the model',
      {
        source: {
          model_list: ['groq/llama-3.3-70b', 'llama-3.1-8b'].map((model) => ({
            model_name: 'fast',
            litellm_params: { model, custom_llm_provider: 'groq', api_key: 'os.environ/G' },
          })),
        },
        out: [
          /model: 'llama-3\.3-70b',[^}]*provider: 'groq'/,
          /model: 'llama-3\.1-8b',[^}]*provider: 'groq'/,
        ],
      },
    ],
    [
      'a model without a provider but with an address as one of OpenAI',
      {
        source: one({ model: 'my-model', api_base: 'https://llm.example.com/v1' }),
        out: ["model: 'my-model'", "baseURL: 'https://llm.example.com/v1'"],
        not: ['provider:'],
      },
    ],
    [
      'a provider with an API like that of OpenAI',
      {
        source: one({ model: 'cerebras/llama-3.3-70b' }),
        out: ["baseURL: 'https://api.cerebras.ai/v1'"],
      },
    ],
    [
      'a server that users host themselves',
      {
        source: one({ model: 'hosted_vllm/qwen', api_base: 'http://gpu:8000/v1' }),
        out: ["model: 'qwen'", "baseURL: 'http://gpu:8000/v1'"],
      },
    ],
    [
      'an unknown embedding model with its capability',
      {
        source: one({ model: 'openai/own-embedder' }, { info: { mode: 'embedding' } }),
        out: ["capabilities: ['embeddings']"],
      },
    ],
    [
      'nothing for fields without a value',
      {
        source: one({ rpm: null, tags: null }),
        not: ['rpm', 'tags'],
      },
    ],
    [
      'a name with a quotation mark',
      { source: one({}, { info: { id: "the shop's" } }), out: ['name: "the shop\'s"'] },
    ],
    [
      'a variable whose name is no identifier',
      { source: one({ api_key: 'os.environ/MY-KEY' }), out: ['apiKey: process.env["MY-KEY"]'] },
    ],
    [
      'a limit of running calls for all endpoints without their own',
      {
        source: {
          model_list: [
            TWO[0],
            { ...TWO[1], litellm_params: { ...TWO[1]!.litellm_params, max_parallel_requests: 3 } },
          ],
          general_settings: { max_parallel_requests: 9 },
        },
        out: [/name: 'gpt-4o',[^}]*maxConcurrent: 9,/, /name: 'claude',[^}]*maxConcurrent: 3,/],
      },
    ],
    [
      'the breaker with only the number of failures',
      {
        source: one({}, { router_settings: { allowed_fails: 2 } }),
        out: ['breaker: { consecutiveFailures: 3 }'],
        notes: ['it stays open longer each time'],
      },
    ],
    [
      'the breaker with only the time that it stays open',
      {
        source: one({}, { litellm_settings: { cooldown_time: 0 } }),
        out: ['breaker: { resetTimeoutMs: 1, maxResetTimeoutMs: 1 }'],
        notes: ['litellm_settings.cooldown_time: the breaker opens'],
      },
    ],
    [
      'a strategy with another meaning as the nearest one',
      {
        source: one({}, { router_settings: { routing_strategy: 'usage-based-routing-v2' } }),
        out: ["strategy: 'adaptive'"],
        notes: ["router_settings.routing_strategy: 'adaptive': the scarcity of a quota"],
      },
    ],
    [
      'a Redis with a URL that is written out as a variable',
      {
        source: one({}, { router_settings: { redis_url: 'redis://:secret@cache:6379' } }),
        out: ["cluster: { redis: process.env.REDIS_URL ?? '' }"],
        notes: ['Install as well: npm install ioredis'],
        not: ['secret'],
      },
    ],
    [
      'a cache whose Redis is its own',
      {
        source: one(
          {},
          {
            litellm_settings: {
              cache: 'true',
              cache_params: {
                host: 'cache',
                port: 'os.environ/REDIS_PORT',
                username: '',
                password: 'pass-word',
              },
            },
          },
        ),
        out: [
          "redis: { host: 'cache', port: Number(process.env.REDIS_PORT), password: process.env.REDIS_PASSWORD }",
          "cache: { calls: 'all', redis: true }",
        ],
        not: ['pass-word', 'username'],
      },
    ],
    [
      'a cache of the process',
      {
        source: one({}, { litellm_settings: { cache: true, cache_params: { type: 'local', ttl: 60 } } }),
        out: ["cache: { calls: 'all', ttlMs: 60_000 }"],
        not: ['redis'],
      },
    ],
    [
      'a cache without parameters',
      {
        source: one({}, { litellm_settings: { cache: true } }),
        out: ["cache: { calls: 'all' }"],
        not: ['redis'],
      },
    ],
    [
      'a fallback that is one name in place of a list',
      {
        source: { model_list: TWO, router_settings: { fallbacks: [{ 'gpt-4o': 'claude' }] } },
        out: ["fallbacks: { 'gpt-4o': ['claude'] }"],
      },
    ],
    [
      'the largest number of retries of all sections',
      {
        source: one({}, { router_settings: { num_retries: 4 }, litellm_settings: { num_retries: 9 } }),
        out: ['retry: { maxAttempts: 5 }'],
      },
    ],
    [
      'the models that --model names for a pattern, each with the model that the entry has',
      {
        source: {
          model_list: [
            {
              model_name: 'fast-*',
              litellm_params: { model: 'openai/gpt-4o-mini', api_key: 'os.environ/K' },
            },
          ],
        },
        args: ['--model', 'fast-shop', '--model', 'slow'],
        out: [/model: 'gpt-4o-mini',\n +aliases: \['fast-shop'\]/],
        not: ['slow'],
      },
    ],
  ])('writes %s', (_name, given) => check(given));

  it.each<[string, Case]>([
    [
      'a limit for input tokens alone',
      {
        source: one({ itpm: 900 }),
        notes: [/itpm: tpm limits input and output tokens only together/],
        not: ['tpm'],
      },
    ],
    [
      'a limit for output tokens alone',
      {
        source: one({ otpm: 900 }),
        notes: [/otpm: tpm limits input and output tokens only together/],
        not: ['tpm'],
      },
    ],
    [
      'a budget per week',
      {
        source: one({ max_budget: 2, budget_duration: '7d' }),
        notes: ['max_budget: budgets are per hour, day or month'],
      },
    ],
    [
      'a budget for ever',
      { source: one({ max_budget: 2 }), notes: ['max_budget: budgets are per hour, day or month'] },
    ],
    [
      'a number of retries in a variable',
      {
        source: one({}, { router_settings: { num_retries: 'os.environ/RETRIES' } }),
        notes: ['num_retries: a variable of the environment can not be converted: write the number'],
        not: ['RETRIES'],
      },
    ],
    [
      'a mode that is not served',
      {
        source: { model_list: [TWO[0], { ...TWO[1], model_info: { mode: 'image_generation' } }] },
        notes: ["model_list[1]: mode 'image_generation' is not served here"],
        not: ['claude'],
      },
    ],
    [
      'a model whose provider is unknown',
      {
        source: { model_list: [TWO[0], { model_name: 'x', litellm_params: { model: 'my-model' } }] },
        notes: ["model_list[1]: 'my-model': its format is not spoken here"],
        not: ['my-model'],
      },
    ],
    [
      'a self-hosted server without its address',
      {
        source: { model_list: [TWO[0], { model_name: 'x', litellm_params: { model: 'hosted_vllm/qwen' } }] },
        notes: ["model_list[1]: 'hosted_vllm/qwen': its format is not spoken here"],
        not: ['qwen'],
      },
    ],
    [
      'an unknown strategy',
      {
        source: one({}, { router_settings: { routing_strategy: 'constructor' } }),
        out: ["strategy: 'adaptive'"],
        notes: ["no strategy is like 'constructor': 'adaptive' is used"],
      },
    ],
    [
      'a cache of similar calls',
      {
        source: one({}, { litellm_settings: { cache: true, cache_params: { type: 'qdrant-semantic' } } }),
        notes: ["cache_params.type: a cache of type 'qdrant-semantic': only equal calls are cached"],
        not: ['cache:'],
      },
    ],
    [
      'the missing address of the Redis of a cache',
      {
        source: one({}, { litellm_settings: { cache: true, cache_params: { type: 'redis' } } }),
        out: ["cache: { calls: 'all' }"],
        notes: [/Check these first:[^]*cache_params: no Redis is named, so each process has its own cache/],
      },
    ],
    [
      'fallbacks with a body of their own',
      {
        source: {
          model_list: TWO,
          litellm_settings: { fallbacks: [{ 'gpt-4o': ['claude', { model: 'claude', messages: [] }] }] },
        },
        out: ["fallbacks: { 'gpt-4o': ['claude'] }"],
        notes: ['fallbacks[0].gpt-4o: fallbacks with a body of their own: only names are kept'],
      },
    ],
    [
      'an alias that names no model',
      {
        source: one(
          {},
          { router_settings: { model_group_alias: { a: 7, b: 'none', c: { model: 'gpt-4o' } } } },
        ),
        out: ["aliases: ['c']"],
        notes: ['model_group_alias.a: names no model', "model_group_alias.b: no endpoint is left for 'none'"],
      },
    ],
    [
      'an address in a variable, which must have the path of the API',
      {
        source: one({ model: 'anthropic/claude-sonnet-4-5', api_base: 'os.environ/BASE' }),
        out: ["baseURL: process.env.BASE ?? ''"],
        notes: ["api_base: the variable must hold the base URL with '/v1' at its end"],
      },
    ],
    [
      'an address that is no URL, as if it were secret',
      {
        source: one({ api_base: 'internal-host' }),
        out: ["baseURL: process.env.OPENAI_BASE_URL ?? ''"],
        notes: ['OPENAI_BASE_URL  the value that is written out at model_list[0].litellm_params.api_base'],
        not: ['internal-host'],
      },
    ],
  ])('explains %s in the notes', (_name, given) => check(given));

  it.each<[string, object, string]>([
    [
      'no litellm_params',
      { model_list: [{ model_name: 'a' }] },
      'litellm_params: expected an object, got nothing',
    ],
    [
      'no model',
      { model_list: [{ model_name: 'a', litellm_params: {} }] },
      "litellm_params.model: expected 'provider/model', got nothing",
    ],
    ['an entry without a value', { model_list: [null] }, 'model_list[0]: expected an object, got nothing'],
    ['a list that is a text', { model_list: 'gpt-4o' }, 'model_list: expected a list, got a text'],
    ['a list that is a number', { model_list: 7 }, 'model_list: expected a list, got 7'],
    [
      'a name that is an object',
      { model_list: [{ model_name: {} }] },
      'model_name: expected a text, got an object',
    ],
    ['tags that are not texts', one({ tags: ['a', true] }), 'tags: expected a list of texts, got true'],
    ['an empty number', one({ rpm: ' ' }), 'rpm: expected a number, got a text'],
    [
      'an option that is neither on nor off',
      one({}, { litellm_settings: { cache: 'maybe' } }),
      'litellm_settings.cache: expected true or false, got a text',
    ],
    [
      'fallbacks that are not objects',
      one({}, { router_settings: { fallbacks: ['claude'] } }),
      'fallbacks[0]: expected an object of a model and a list, got something else',
    ],
    [
      'a value that is invalid for the balancer but belongs to no endpoint',
      one({}, { router_settings: { timeout: -1 } }),
      'gives an invalid configuration: timeouts.totalMs: expected',
    ],
    ['no models at all', { model_list: [] }, 'no endpoint can be written'],
  ])('rejects a configuration with %s', (_name, source, message) => {
    expect(failure(source)).toMatchObject({
      name: 'UsageError',
      message: expect.stringContaining(message) as string,
    });
  });
});

describe('express-ai-balancer migrate from Portkey', () => {
  const openai = { provider: 'openai', override_params: { model: 'gpt-4o' } };
  const claude = { provider: 'anthropic', override_params: { model: 'claude-sonnet-4-5' } };

  it.each<[string, Case]>([
    [
      'only the first target if there is no strategy',
      { source: { targets: [openai, claude] }, out: ["model: 'gpt-4o'"], not: ['claude'] },
    ],
    [
      'all targets of a conditional strategy, with a note for its conditions',
      {
        source: {
          strategy: { mode: 'conditional', conditions: [{ then: 'a' }], default: 'a' },
          targets: [openai, claude],
        },
        out: ['gpt-4o', 'claude'],
        notes: [
          'strategy.conditions: calls choose: give endpoints tags',
          'strategy.default: calls choose',
          'the targets have different models: calls name one of gpt-4o, claude-sonnet-4-5',
        ],
      },
    ],
    [
      'a single target without a list of targets',
      {
        source: { ...openai, apiKey: 'sk-secret', requestTimeout: 900 },
        out: ['apiKey: process.env.OPENAI_API_KEY', 'timeouts: { totalMs: 900, firstTokenMs: 900 }'],
        not: ['sk-secret'],
      },
    ],
    [
      'a cache without an age',
      { source: { ...openai, cache: { mode: 'simple' } }, out: ["cache: { calls: 'all' }"] },
    ],
    [
      'no cache of similar calls',
      {
        source: { ...openai, cache: { mode: 'semantic' } },
        not: ['cache'],
        notes: ['cache: only equal calls are cached'],
      },
    ],
    [
      'the name of an Azure deployment as the model if there is no other', // terms-ok: Azure's word
      {
        source: {
          provider: 'azure-openai',
          resource_name: 'shop',
          deployment_id: 'gpt-4o',
          api_version: '2024-10-21',
        },
        out: ["model: 'gpt-4o'", "baseURL: 'https://shop.openai.azure.com'", "apiVersion: '2024-10-21'"],
        not: ['deployment:'], // terms-ok: Azure's word
      },
    ],
    [
      'no target without a known provider',
      {
        source: {
          strategy: { mode: 'loadbalance' },
          targets: [openai, { weight: 1 }, { virtual_key: 'internal-7' }],
        },
        not: ['internal'],
        notes: [
          'targets[1]: names no provider that is known here',
          'targets[2]: names no provider that is known here',
        ],
      },
    ],
  ])('writes %s', (_name, given) => check(given));

  it.each<[string, object, RegExp]>([
    ['no provider', { provider: '@internal' }, /the target: names no provider that is known here/],
    [
      'targets that are nested too deeply',
      Array.from({ length: 34 }).reduce<object>((inner) => ({ strategy: {}, targets: [inner] }), openai),
      /expected targets at most 32 deep, got more/,
    ],
  ])('rejects a configuration with %s', (_name, source, message) => {
    expect(failure(source)).toMatchObject({
      name: 'UsageError',
      message: expect.stringMatching(message) as string,
    });
  });
});

describe('express-ai-balancer migrate from Bifrost', () => {
  it.each<[string, Case]>([
    [
      'a provider without settings of the network, a key without a name and no strategy if there are no weights',
      {
        source: {
          providers: { cerebras: { keys: [{ value: 'env.CEREBRAS', models: ['llama'] }] }, openai: null },
        },
        out: [
          "name: 'cerebras-key'",
          "baseURL: 'https://api.cerebras.ai/v1'",
          'apiKey: process.env.CEREBRAS',
        ],
        not: ['strategy', "cerebras/llama'"],
      },
    ],
    [
      'the other name of a model as an alias, and no model of the blacklist',
      {
        source: {
          providers: {
            openai: {
              keys: [
                {
                  value: 'env.K',
                  models: ['*'],
                  aliases: { fast: 'gpt-4o-mini', same: null, old: 'gpt-3.5-turbo' },
                  blacklisted_models: ['old'],
                },
              ],
            },
          },
        },
        out: ["model: 'gpt-4o-mini'", "aliases: ['fast', 'openai/gpt-4o-mini']", "model: 'same'"],
        not: ['gpt-3.5'],
      },
    ],
    [
      'the largest number of retries of all providers',
      {
        source: {
          providers: Object.fromEntries(
            Object.entries({ openai: 6, groq: 2 }).map(([name, max_retries]) => [
              name,
              { keys: [{ value: 'env.K', models: ['m'] }], network_config: { max_retries } },
            ]),
          ),
        },
        out: ['maxAttempts: 7'],
      },
    ],
    [
      'the models that --model names for its provider',
      {
        source: { providers: { openai: { keys: [{ value: 'env.K', models: ['*'] }] } } },
        args: ['--model', 'openai/gpt-4o', '--model', 'anthropic/claude'],
        out: ["model: 'gpt-4o'"],
        not: ['claude'],
      },
    ],
    [
      'the version of the API of Azure, and values that are objects',
      {
        source: {
          providers: {
            azure: {
              keys: [
                {
                  name: { value: 'eu', env_var: '' },
                  value: { env_var: 'AZURE_KEY', from_env: true },
                  models: ['gpt-4o'],
                  azure_key_config: { endpoint: 'https://eu.example.com', api_version: 'env.API_VERSION' },
                },
              ],
            },
          },
        },
        out: [
          "name: 'eu'",
          'apiKey: process.env.AZURE_KEY',
          "baseURL: 'https://eu.example.com'",
          'apiVersion: process.env.API_VERSION',
        ],
      },
    ],
  ])('writes %s', (_name, given) => check(given));

  it('rejects a file that is the name of a variable instead of a configuration', () => {
    expect(failure({ providers: {}, env_var: 'CONFIG' })).toMatchObject({
      message: expect.stringMatching(/the file: expected an object, got a text$/) as string,
    });
  });
});

describe('The command express-ai-balancer migrate', () => {
  it('prints its help', () => {
    expect(runMigrate('--help')).toMatchObject({
      code: 0,
      notes: '',
      out: expect.stringMatching(/migrate FILE/) as string,
    });
  });

  it('rejects an unknown flag, a file that is too large and one that can not be read', () => {
    expect(() => runMigrate('--outt', 'x')).toThrow("'--outt'");
    expect(() => runMigrate(file('large.yaml', ' '.repeat((4 << 20) + 1)))).toThrow(
      /large\.yaml: larger than 4 MiB$/,
    );
    expect(() => runMigrate('lib')).toThrow('lib: could not be read (EISDIR)');
    expect(() => runMigrate(file('loop.yaml', 'model_list: *missing'))).toThrow(/not valid YAML/);
  });

  it('rejects an output file in a folder that does not exist', () => {
    const source = file('ok.json', JSON.stringify(one()));
    expect(() => runMigrate(source, '--out', 'no/such/folder/ai.ts')).toThrow(
      '--out: no/such/folder/ai.ts could not be written (ENOENT)',
    );
  });

  it('suggests a command whose model is quoted for the shell', () => {
    const source = file(
      'odd.json',
      JSON.stringify({ provider: 'openai', override_params: { model: "it's $HOME" } }),
    );
    const { notes } = runMigrate(source, '--out', file('odd.ts', ''), '--force');
    expect(notes).toContain("--model 'it'\\''s $HOME'\n");
  });

  it('lists no variables if the configuration needs none', () => {
    const source = file(
      'local.json',
      JSON.stringify({ ...BIFROST, providers: { ollama: BIFROST.providers.ollama } }),
    );
    const { out, notes } = runMigrate(source);
    expect(out + notes).not.toContain('in the environment');
    expect(out).toContain("baseURL: 'http://localhost:11434/v1'");
  });
});
