import { readFileSync } from 'node:fs';
import type { BalancerConfig } from 'express-ai-balancer';
import { MIGRATE_HELP } from '../../lib/cli/migrate/help';
import { SERVE_HELP } from '../../lib/cli/serve/help';
import { HELP as SIMULATE_HELP } from '../../lib/cli/simulate/help';
import { BIFROST, LITELLM, type Migrated, PORTKEY, runMigrate, SECRETS } from './migrate';
import { run, runWith } from './run';
import { temporaryFiles } from './temporary-files';

const file = temporaryFiles('migrate-');

/** A configuration file as the commands load it, and the endpoints that calls for some models may use first. */
interface Shown {
  readonly config: BalancerConfig & { serve?: unknown };
  readonly routes: Readonly<Record<string, readonly string[] | string>>;
}

describe('express-ai-balancer migrate', () => {
  const written: Record<string, Migrated> = {};
  const shown: Record<string, Shown> = {};

  beforeAll(async () => {
    const sources: [name: string, text: string, out: string, ...args: string[]][] = [
      ['litellm', LITELLM, 'litellm.ts'],
      ['portkey', JSON.stringify(PORTKEY), 'portkey.mjs'],
      [
        'bifrost',
        JSON.stringify(BIFROST),
        'bifrost.mts',
        '--model',
        'anthropic/claude-sonnet-4-5',
        '--serve',
      ],
    ];
    const files = sources.map(([name, text, out, ...args]) => {
      const source = file(`${name}.source`, text);
      const path = source.replace(/[^/]+$/, out);
      written[name] = runMigrate(source, '--out', path, ...args);
      return path;
    });
    const names = [
      'OPENAI_API_KEY',
      'OPENAI_API_KEY_2',
      'AZURE_API_KEY',
      'AZURE_OPENAI_API_KEY',
      'AZURE_KEY',
    ];
    const others = [
      'ANTHROPIC_API_KEY',
      'GROQ_API_KEY',
      'DEEPSEEK_API_KEY',
      'X_API_TOKEN_HEADER',
      'GATEWAY_TOKEN',
    ];
    const env = {
      ...Object.fromEntries([...names, ...others].map((name) => [name, `value-of-${name}`])),
      AZURE_ENDPOINT: 'https://azure.example.com',
      ASK: 'gpt-4o,gpt-4,cheap,fast,claude,claude-sonnet-4-5,openai/gpt-4o',
    };
    const { out, err } = await runWith(env, '__tests__/cli/show-configs.ts', ...files);
    expect(err).toBe('');
    (JSON.parse(out) as Shown[]).forEach((each, index) => (shown[sources[index]![0]] = each));
  });

  const endpoint = (tool: string, name: string) =>
    shown[tool]!.config.endpoints.find((each) => each.name === name);

  describe('from a LiteLLM configuration', () => {
    it('keeps the base URLs, keys, limits, prices, weights and orders of endpoints', () => {
      expect(shown.litellm!.config.endpoints.map(({ name }) => name)).toEqual([
        'gpt-4o-1',
        'gpt-4o-2',
        'claude',
        'cheap-1',
        'cheap-2',
        'local',
        'embed',
      ]);
      expect(endpoint('litellm', 'gpt-4o-1')).toEqual({
        name: 'gpt-4o-1',
        model: 'gpt-4o',
        aliases: ['gpt-4'],
        apiKey: 'value-of-OPENAI_API_KEY',
        rpm: 500,
        tpm: 200_000,
      });
      expect(endpoint('litellm', 'gpt-4o-2')).toMatchObject({
        model: 'gpt-4o',
        provider: 'azure',
        baseURL: 'https://shop-eu.openai.azure.com',
        deployment: 'my-gpt4o-eu', // terms-ok: Azure's word
        apiVersion: '2024-10-21',
        apiKey: 'value-of-AZURE_API_KEY',
        tier: 1,
      });
      expect(endpoint('litellm', 'claude')).toMatchObject({
        maxConcurrent: 8,
        timeouts: { totalMs: 120_000, firstTokenMs: 20_000 },
        headers: { 'x-team': 'shop', 'x-api-token': 'value-of-X_API_TOKEN_HEADER' },
      });
      expect(endpoint('litellm', 'cheap-1')).toMatchObject({
        weight: 3,
        price: { input: 0.59, output: 0.79 },
      });
      expect(endpoint('litellm', 'local')).toMatchObject({ baseURL: 'http://localhost:11434/v1' });
    });

    it('keeps the strategy, retries, timeouts, fallbacks, Redis and the cache, with precedence for router_settings', () => {
      const { endpoints: _, ...options } = shown.litellm!.config;
      expect(options).toEqual({
        strategy: 'weighted',
        // Two of cheap, two of gpt-4o, then claude.
        retry: { maxAttempts: 5 },
        timeouts: { totalMs: 30_000 },
        breaker: { consecutiveFailures: 4, resetTimeoutMs: 30_000, maxResetTimeoutMs: 30_000 },
        cluster: { redis: { port: 6379 } },
        cache: { calls: 'all', ttlMs: 600_000, redis: true },
        fallbacks: { 'gpt-4o': ['claude'], cheap: ['gpt-4o', 'claude'], '*': ['cheap'] },
      });
    });

    it('writes a configuration in which calls for a group or its alias go to its endpoints with the lowest order', () => {
      const { routes } = shown.litellm!;
      expect(routes['gpt-4o']).toEqual(['gpt-4o-1']);
      expect(routes['gpt-4']).toEqual(routes['gpt-4o']);
      expect(routes.cheap).toEqual(['cheap-1', 'cheap-2']);
      expect(routes.fast).toEqual(routes.cheap);
    });

    it('prints which variables are needed, what differs in this package and what was left out', () => {
      const { notes, code } = written.litellm!;
      expect(code).toBe(0);
      for (const line of [
        'a configuration of LiteLLM: 7 endpoints, 6 models',
        /^ {2}OPENAI_API_KEY$/m,
        /^ {2}AZURE_API_KEY +the value that is written out at model_list\[1\]\.litellm_params\.api_key$/m,
        /Check these first:[^]*router_settings\.num_retries: retry\.maxAttempts: 5 counts .*'cheap' needs 5 to reach the end of its fallbacks \(gpt-4o, claude\)[^]*Different here:/,
        /Check these first:[^]*litellm_settings\.cache: cache\.calls: 'all' answers every equal call[^]*Different here:/,
        /Check these first:[^]*context_window_fallbacks\[0\]\.cheap: joined with the other fallbacks[^]*Different here:/,
        'no limit on: claude, cheap-1, cheap-2, local, embed; ',
        'it stays open about 30 s each time',
        /^ {2}GATEWAY_TOKEN +the value that is written out at general_settings\.master_key$/m,
        /Try it: npx express-ai-balancer simulate --config \S+litellm\.ts --model gpt-4o$/m,
        /Left out:[^]*model_list\[4\]\.litellm_params\.temperature: defaults of a call/,
        'model_list[4].litellm_params.some_new_option: has no counterpart',
        "model_list[6]: 'bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0': its format is not spoken here",
        "router_settings.fallbacks[0].gpt-4o: no endpoint is left for 'bedrock-claude'",
        'general_settings.database_url: there is no database',
        'environment_variables.REDIS_HOST: set it in the environment',
      ])
        expect(notes).toMatch(line);
    });

    it('writes no key, password or value of an unknown option to the file or the notes', () => {
      const source = file('again.yaml', LITELLM);
      const again = runMigrate(source, '--serve');
      for (const secret of SECRETS) {
        expect(again.out).not.toContain(secret);
        expect(again.notes).not.toContain(secret);
      }
      expect(again.out).toContain('serve: { tokens: [{ token: process.env.GATEWAY_TOKEN,');
    });
  });

  describe('from a Portkey config', () => {
    it('keeps targets, weights, retries, timeouts and the cache, and turns fallback targets into fallbacks', () => {
      expect(shown.portkey!.config).toEqual({
        endpoints: [
          expect.objectContaining({
            name: 'main',
            model: 'gpt-4o',
            apiKey: 'value-of-OPENAI_API_KEY',
            weight: 0.7,
          }),
          expect.objectContaining({
            provider: 'azure',
            baseURL: 'https://shop.openai.azure.com',
            deployment: 'gpt4o-eu', // terms-ok: Azure's word
            weight: 0.3,
          }),
          expect.objectContaining({
            model: 'claude-sonnet-4-5',
            provider: 'anthropic',
            timeouts: { totalMs: 20_000, firstTokenMs: 20_000 },
          }),
        ],
        retry: { maxAttempts: 4 },
        cache: { calls: 'all', ttlMs: 3_600_000 },
        strategy: 'weighted',
        fallbacks: { 'gpt-4o': ['claude-sonnet-4-5'] },
      });
      expect(shown.portkey!.routes['gpt-4o']).toEqual(['main', 'azure-openai-gpt-4o']);
      expect(written.portkey!.notes).toContain(
        "targets[1].provider: its key is in Portkey's vault: set ANTHROPIC_API_KEY",
      );
      expect(written.portkey!.notes).toMatch(
        /Check these first:[^]* {2}cache: cache\.calls: 'all' answers every/,
      );
      expect(written.portkey!.notes).toContain("targets[2]: 'bedrock': its format is not spoken here");
      expect(written.portkey!.notes).not.toContain('sk-proj');
    });

    it('puts later targets of the same model into a later tier, and requires --model if no target has a model', () => {
      const two = {
        strategy: { mode: 'fallback' },
        targets: ['groq', 'together-ai'].map((provider) => ({ provider })),
      };
      const source = file('two.json', JSON.stringify(two));
      expect(() => runMigrate(source)).toThrow(
        /two\.json: no endpoint can be written: targets\[0\]: names no model: add override_params\.model, or --model NAME/,
      );
      const { out } = runMigrate(source, '--model', 'llama-3.3-70b');
      expect(out).toMatch(/name: 'together-ai-llama-3\.3-70b',[^}]* tier: 1,/);
      expect(out).toContain('fallbacks: {},');
    });
  });

  it('leaves out a target of Portkey without a model, and its key, if another target has one', () => {
    const targets = [
      { provider: 'groq', api_key: 'gsk-a-secret' },
      { provider: 'openai', override_params: { model: 'gpt-4o' } },
    ];
    const { code, out, notes } = runMigrate(
      file('one.json', JSON.stringify({ targets, strategy: { mode: 'loadbalance' } })),
    );
    expect(code).toBe(0);
    expect(out).toContain("model: 'gpt-4o'");
    expect(notes).toMatch(
      /Left out:[^]*targets\[0\]: names no model: add override_params\.model, or --model/,
    );
    expect(out + notes).not.toMatch(/GROQ|gsk-/);
  });

  describe("from Bifrost's config.json", () => {
    it('writes an endpoint for every key and model, with weights, base URLs and prefixed aliases', () => {
      expect(shown.bifrost!.config.endpoints.map(({ name, model, weight }) => [name, model, weight])).toEqual(
        [
          ['key-1/gpt-4o', 'gpt-4o', 0.7],
          ['key-1/gpt-4o-mini', 'gpt-4o-mini', undefined],
          ['key-2', 'gpt-4o', 0.3],
          ['a', 'claude-sonnet-4-5', undefined],
          ['az', 'gpt-4o', 1],
          ['o', 'llama3.2', undefined],
        ],
      );
      expect(endpoint('bifrost', 'key-2')).toMatchObject({
        apiKey: 'value-of-OPENAI_API_KEY_2',
        timeouts: { totalMs: 30_000 },
      });
      expect(endpoint('bifrost', 'az')).toMatchObject({
        apiKey: 'value-of-AZURE_KEY',
        baseURL: 'https://azure.example.com',
        deployment: 'gpt4o-eu', // terms-ok: Azure's word
      });
      expect(shown.bifrost!.routes['openai/gpt-4o']).toEqual(['key-1/gpt-4o', 'key-2']);
      expect(shown.bifrost!.config).toMatchObject({
        retry: { maxAttempts: 3, baseDelayMs: 100, maxDelayMs: 2000 },
        serve: { tokens: [{ token: 'value-of-GATEWAY_TOKEN', tenant: 'app' }] },
      });
    });

    it('leaves out keys that serve every model unless --model is given, and prints what to add', () => {
      const { out, notes } = runMigrate(file('bifrost.json', JSON.stringify(BIFROST)));
      expect(out).not.toContain('anthropic');
      expect(notes).toContain('add --model anthropic/NAME for each that calls ask for');
      expect(out + notes).not.toMatch(/ANTHROPIC|GATEWAY_TOKEN/);
      expect(out).toContain('// Set in the environment: OPENAI_API_KEY');
      expect(notes).toContain("providers.bedrock: 'bedrock': its format is not spoken here");
      expect(out + notes).not.toMatch(/sk-live|sk-bf|bedrock-secret/);
    });
  });

  describe('with LiteLLM names that this package does not allow', () => {
    const group = (name: string, model: string, more = '') =>
      `  - { model_name: ${name}, litellm_params: { model: ${model}, api_key: os.environ/K${more} } }\n`;
    const migrateList = (...entries: readonly string[]) =>
      runMigrate(file('list.yaml', `model_list:\n${entries.join('')}`));

    it('turns the other models of a group that has the name of one of its models into fallbacks', () => {
      const { out, notes } = migrateList(
        group('gpt-4o', 'openai/gpt-4o'),
        group('gpt-4o', 'openrouter/openai/gpt-4o'),
      );
      expect(out).toContain("fallbacks: { 'gpt-4o': ['openai/gpt-4o'] }");
      expect(notes).toContain("'gpt-4o' is a model's own name, so openai/gpt-4o can not share it");
    });

    it("renames a group that has the name of another group's model", () => {
      const { out, notes } = migrateList(
        group('gpt-4o', 'openai/gpt-4o-mini'),
        group('large', 'openai/gpt-4o'),
      );
      expect(out).toContain("aliases: ['gpt-4o-group']");
      expect(notes).toContain("calls ask for 'gpt-4o-group' instead");
    });

    it('turns a fallback to other keys of the same model into a later tier', () => {
      const { out, notes } = migrateList(
        group('gpt-4o', 'openai/gpt-4o'),
        group('gpt-4o-spare', 'openai/gpt-4o', '2'),
        'router_settings: { fallbacks: [{ gpt-4o: [gpt-4o-spare] }] }\n',
      );
      expect(out).toMatch(/name: 'gpt-4o-spare',[^}]* tier: 1,/);
      expect(notes).toContain("'gpt-4o-spare' is the same model: a later tier of 'gpt-4o'");
    });

    it('puts another group with the same model into a later tier', () => {
      const { out, notes } = migrateList(
        group('gpt-4o', 'openai/gpt-4o'),
        group('eu', 'azure/gpt-4o', ", api_base: 'https://eu.example.com'"),
      );
      expect(out).toMatch(/name: 'eu',[^}]* tier: 1,/);
      expect(notes).toMatch(
        /Check these first:[^]*model_list\[1\]: calls for 'gpt-4o' reach this endpoint too, .*: it has tier 1/,
      );
    });

    it('writes an endpoint for each --model that a pattern matches', () => {
      const source = file('any.yaml', `model_list:\n${group('anthropic/*', 'anthropic/*')}`);
      expect(() => runMigrate(source)).toThrow(
        'any.yaml: no endpoint can be written: model_list[0].litellm_params.model',
      );
      const { out } = runMigrate(source, '--model', 'anthropic/claude-sonnet-4-5');
      expect(out).toMatch(/model: 'claude-sonnet-4-5',\n +aliases: \['anthropic\/claude-sonnet-4-5'\]/);
    });

    it('weights the endpoints of a group by rpm if they have no weights', () => {
      const { out } = migrateList(
        group('a', 'openai/gpt-4o', ', rpm: 900'),
        group('a', 'openai/gpt-4o', '2, rpm: 10'),
      );
      expect(out).toMatch(/weight: 900,[^]*weight: 10,/);
    });
  });

  it.each([
    ['hosted_vllm/llama', 'none'],
    ['openai/llama', 'EMPTY'],
    ['ollama/llama3.2', 'dummy'],
    ['lm_studio/llama', 'sk-none'],
  ])('writes no key for a server of the user, %s, whose api_key is %s', (model, key) => {
    const entry = (name: string, apiKey: string) =>
      `  - { model_name: ${name}, litellm_params: { model: ${model}, api_base: 'http://10.0.0.5:8000/v1', api_key: ${apiKey} } }\n`;
    const text = `model_list:\n${entry('a', key)}${entry('b', 'none-of-your-business')}`;
    const { out, notes } = runMigrate(file('local.yaml', text));
    expect(out.match(/apiKey/g)).toHaveLength(1);
    expect(notes).toContain(
      'model_list[0].litellm_params.api_key: the word stands for no key, so none is sent',
    );
  });

  it('writes a key for a provider that needs one, whatever its api_key says', () => {
    const text =
      'model_list:\n  - { model_name: a, litellm_params: { model: openai/gpt-4o, api_key: none } }\n';
    expect(runMigrate(file('needed.yaml', text)).out).toContain('apiKey: process.env.OPENAI_API_KEY');
  });

  it('gives each literal key its own environment variable', () => {
    const entry = (key: string, more = '') =>
      `  - { model_name: a, litellm_params: { model: openai/gpt-4o, api_key: ${key}${more} } }\n`;
    const keys = ['sk-one-secret', 'os.environ/OPENAI_API_KEY', 'sk-two-secret', 'sk-one-secret'];
    const text = `model_list:\n${keys.map((key) => entry(key)).join('')}`;
    const { out } = runMigrate(file('keys.yaml', text));
    expect([...out.matchAll(/apiKey: process\.env\.(\w+)/g)].map(([, name]) => name)).toEqual([
      'OPENAI_API_KEY_2',
      'OPENAI_API_KEY',
      'OPENAI_API_KEY_3',
      'OPENAI_API_KEY_2',
    ]);
    const address = entry('os.environ/K', ", api_base: 'https://user:a-url-secret@llm.example.com/v1'");
    const withAddress = runMigrate(file('address.yaml', `model_list:\n${address}`));
    expect(withAddress.out).toContain("baseURL: process.env.OPENAI_BASE_URL ?? ''");
    expect(withAddress.out + withAddress.notes).not.toContain('url-secret');
    const targets = ['one', 'two'].map((slug) => ({
      virtual_key: `openai-${slug}`,
      override_params: { model: 'gpt-4o' },
    }));
    const vault = runMigrate(
      file('vault.json', JSON.stringify({ strategy: { mode: 'loadbalance' }, targets })),
    );
    expect(vault.notes).toContain(
      "targets[1].virtual_key: its key is in Portkey's vault: set OPENAI_API_KEY_2",
    );
  });

  it.each([
    ['num_retries: 1', 'a fallback behind three endpoints is reached', 4],
    ['num_retries: 3', 'the last group gets no more attempts than it has endpoints', 4],
    ['num_retries: 9', 'there are fewer endpoints than retries', 10],
    ['timeout: 5', 'without a number of retries, the default is enough', undefined],
  ])(
    "writes enough attempts for the longest chain of fallbacks with '%s': %s",
    (setting, _name, expected) => {
      const entry = (name: string, model: string, key: number) =>
        `  - { model_name: ${name}, litellm_params: { model: ${model}, api_key: os.environ/K${String(key)} } }\n`;
      const list = [1, 2, 3].map((key) => entry('gpt-4o', 'openai/gpt-4o', key)).join('');
      const text = `model_list:\n${list}${entry('claude', 'anthropic/claude-sonnet-4-5', 4)}router_settings: { ${setting}, fallbacks: [{ gpt-4o: [claude] }] }\n`;
      const { out } = runMigrate(file('attempts.yaml', text));
      const written = /maxAttempts: (\d+)/.exec(out)?.[1];
      expect(written === undefined ? undefined : Number(written)).toBe(expected);
    },
  );

  it('prints documents as URLs of its version, because they are not in the package', () => {
    const { notes } = runMigrate(file('again.yaml', LITELLM));
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    const pages = `https://github.com/express-ai-balancer/express-ai-balancer/blob/v${version}/docs/`;
    expect(notes).toContain(`${pages}migrate.md explains the differences.`);
    expect(notes.replaceAll(pages, '')).not.toContain('docs/');
    for (const help of [MIGRATE_HELP, SERVE_HELP, SIMULATE_HELP])
      expect(help.replaceAll(pages, '')).not.toContain('docs/');
  });

  describe('rejects with a one-line error:', () => {
    const one = (params: string) => `model_list: [{ model_name: a, litellm_params: ${params} }]`;

    it.each([
      ['a file that does not exist', undefined, /no such file$/],
      [
        'text that is not YAML',
        'model_list: [\n  sk-live-secret: {',
        /not valid YAML or JSON at line \d+, column \d+: [a-z ]+$/,
      ],
      [
        'a file of another kind',
        '{"name":"x"}',
        /expected the configuration of LiteLLM \(model_list\), Portkey/,
      ],
      ['a list', '- 1', /expected the configuration of LiteLLM/],
      [
        'a model without a name',
        'model_list: [{ litellm_params: { model: openai/x } }]',
        /model_list\[0\]\.model_name: expected a name, got nothing/,
      ],
      ['parameters of the wrong kind', one('[]'), /litellm_params: expected an object, got a list/],
      [
        'a limit that is not a number',
        one('{ model: openai/x, rpm: sk-live-secret }'),
        /rpm: expected a number, got a text/,
      ],
      [
        'a limit that is invalid in this package',
        one('{ model: openai/x, rpm: -1 }'),
        /endpoints\[0\]\.rpm: expected .* \(from model_list\[0\]\)/,
      ],
      [
        'a file with only an unknown provider',
        one('{ model: bedrock/x }'),
        /no endpoint can be written: model_list\[0\]: 'bedrock\/x'/,
      ],
    ])('%s', (_name, text, message) => {
      const source = text === undefined ? 'nowhere.yaml' : file('wrong.yaml', text);
      let error: unknown;
      try {
        runMigrate(source);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toMatchObject({ name: 'UsageError', message: expect.stringMatching(message) as string });
      expect((error as Error).message).not.toMatch(/\n|sk-live/);
    });

    it('an output file that exists, unless --force is given, and one with another extension', () => {
      const source = file('ok.yaml', one('{ model: openai/gpt-4o, api_key: os.environ/K }'));
      const out = file('taken.ts', 'mine');
      expect(() => runMigrate(source, '--out', out)).toThrow(/taken\.ts exists: --force overwrites it$/);
      expect(readFileSync(out, 'utf8')).toBe('mine');
      expect(runMigrate(source, '--out', out, '--force').code).toBe(0);
      expect(() => runMigrate(source, '--out', 'x.yaml')).toThrow(
        '--out: expected a file ending in .ts, .mts, .mjs, .js',
      );
      expect(() => runMigrate()).toThrow('expected one FILE, got 0 (see --help)');
    });
  });
});

test('express-ai-balancer --version prints the version, and an unknown command prints the most similar one', async () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  const [printed, wrong] = await Promise.all([
    run('lib/cli/main.ts', '--version'),
    run('lib/cli/main.ts', 'migrat', 'x'),
  ]);
  expect(printed).toEqual({ code: 0, out: `${version}\n`, err: '' });
  expect(wrong).toEqual({
    code: 2,
    out: '',
    err: "unknown command 'migrat': did you mean 'migrate'? (see --help)\n",
  });
});
