import { migrate } from '../../lib/cli/migrate/command';

export interface Migrated {
  readonly code: number;
  /** The written configuration. */
  readonly out: string;
  /** What standard error says. */
  readonly notes: string;
}

/** Runs the command in this process. */
export function runMigrate(...args: readonly string[]): Migrated {
  const written = { out: '', notes: '' };
  const spies = [
    jest.spyOn(process.stdout, 'write').mockImplementation((text) => ((written.out += String(text)), true)),
    jest.spyOn(process.stderr, 'write').mockImplementation((text) => ((written.notes += String(text)), true)),
  ];
  try {
    return { code: migrate(args), ...written };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** A LiteLLM proxy with two accounts of one model, groups, limits, fallbacks, Redis and keys that are written out. */
export const LITELLM = `
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: os.environ/OPENAI_API_KEY
      rpm: 500
      tpm: 200000
      order: 1
  - model_name: gpt-4o
    litellm_params:
      model: azure/my-gpt4o-eu
      api_base: https://shop-eu.openai.azure.com/
      api_version: "2024-10-21"
      api_key: sk-live-this-is-a-secret
      rpm: 300
      order: 2
    model_info:
      base_model: azure/gpt-4o
  - model_name: claude
    litellm_params:
      model: anthropic/claude-sonnet-4-5-20250929
      api_key: "os.environ/ANTHROPIC_API_KEY"
      max_parallel_requests: 8
      timeout: 120
      stream_timeout: 20
      extra_headers: { x-team: shop, x-api-token: another-secret-value }
  - model_name: cheap
    litellm_params:
      model: groq/llama-3.3-70b-versatile
      api_key: os.environ/GROQ_API_KEY
      input_cost_per_token: 0.00000059
      output_cost_per_token: 0.00000079
      weight: 3
  - model_name: cheap
    litellm_params:
      model: deepseek/deepseek-chat
      api_key: os.environ/DEEPSEEK_API_KEY
      weight: 1
      temperature: 0.2
      some_new_option: a-third-secret-value
  - model_name: local
    litellm_params:
      model: ollama/llama3.2
      api_base: http://localhost:11434
  - model_name: bedrock-claude
    litellm_params:
      model: bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0
      aws_secret_access_key: a-fourth-secret-value
  - model_name: embed
    litellm_params: { model: text-embedding-3-small, api_key: sk-live-this-is-a-secret }
    model_info: { mode: embedding }
router_settings:
  routing_strategy: simple-shuffle
  num_retries: 2
  timeout: 30
  allowed_fails: 3
  cooldown_time: 30
  redis_host: os.environ/REDIS_HOST
  redis_port: 6379
  redis_password: redis-secret-value
  model_group_alias: { "gpt-4": gpt-4o, fast: { model: cheap, hidden: true } }
  fallbacks: [{ gpt-4o: [claude, bedrock-claude] }, { cheap: [gpt-4o] }]
  context_window_fallbacks: [{ cheap: [claude] }]
litellm_settings:
  num_retries: 9
  drop_params: yes
  cache: true
  cache_params: { type: redis, ttl: 600 }
  default_fallbacks: [cheap]
general_settings:
  master_key: sk-1234-master
  database_url: postgresql://user:database-secret@db/litellm
environment_variables:
  REDIS_HOST: cache.internal
`;

export const SECRETS = [
  'sk-live',
  'another-secret',
  'a-third-secret',
  'a-fourth-secret',
  'redis-secret',
  'sk-1234',
  'database-secret',
  'cache.internal',
];

/** Two weighted targets of one model, a fallback to another, and a provider that has no dialect. */
export const PORTKEY = {
  strategy: { mode: 'fallback', on_status_codes: [429, 503] },
  retry: { attempts: 3 },
  cache: { mode: 'simple', max_age: 3600 },
  request_timeout: 20_000,
  targets: [
    {
      strategy: { mode: 'loadbalance' },
      targets: [
        {
          name: 'main',
          provider: 'openai',
          api_key: 'sk-proj-a-secret',
          weight: 0.7,
          override_params: { model: 'gpt-4o', temperature: 0 },
        },
        {
          provider: 'azure-openai',
          virtual_key: 'azure-prod-123',
          resource_name: 'shop',
          deployment_id: 'gpt4o-eu',
          api_version: '2024-10-21',
          azure_model_name: 'gpt-4o',
          weight: 0.3,
        },
      ],
    },
    { provider: '@anthropic-prod', override_params: { model: 'claude-sonnet-4-5' } },
    { provider: 'bedrock', override_params: { model: 'nova' } },
  ],
};

/** Two weighted keys, one for every model, Azure with its names, and a local server. */
export const BIFROST = {
  $schema: 'https://www.getbifrost.ai/schema',
  client: { enable_logging: true },
  providers: {
    openai: {
      keys: [
        { name: 'key-1', value: 'env.OPENAI_API_KEY', models: ['gpt-4o', 'gpt-4o-mini'], weight: 0.7 },
        { name: 'key-2', value: 'sk-live-a-secret', models: ['gpt-4o'], weight: 0.3 },
      ],
      network_config: {
        default_request_timeout_in_seconds: 30,
        max_retries: 2,
        retry_backoff_initial: 100,
        retry_backoff_max: 2000,
      },
    },
    anthropic: { keys: [{ name: 'a', value: 'env.ANTHROPIC_API_KEY', models: ['*'], weight: 1 }] },
    azure: {
      keys: [
        {
          name: 'az',
          value: { value: '', env_var: 'env.AZURE_KEY', from_env: true },
          models: ['*'],
          weight: 1,
          azure_key_config: {
            endpoint: 'env.AZURE_ENDPOINT',
            deployments: { 'gpt-4o': 'gpt4o-eu' }, // terms-ok: Azure's word
          },
        },
      ],
    },
    bedrock: { keys: [{ name: 'b', bedrock_key_config: { secret_key: 'bedrock-secret' }, models: ['*'] }] },
    ollama: {
      keys: [{ name: 'o', value: '', models: ['llama3.2'], weight: 1 }],
      network_config: { base_url: 'http://localhost:11434' },
    },
  },
  governance: { virtual_keys: [{ value: 'sk-bf-a-secret' }] },
};
