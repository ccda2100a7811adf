import { resolveConfig } from '../../lib/config/resolve';
import { secretsOf } from '../../lib/config/secrets';
import { AiBalancerError } from '../../lib/errors';
import { configWith, endpointsOf, endpointWith, faultsOf } from './endpoints-of';

/** What a proxy gets after `Basic`. */
const BASIC = Buffer.from('me:secret').toString('base64');
const [ENDPOINT] = endpointsOf('gpt-4o');
const endpoints = [
  { ...ENDPOINT, name: 'main', aliases: ['fast'] },
  { ...ENDPOINT, name: 'new', model: 'gpt-5' },
];

describe('resolveConfig() with options that name an endpoint', () => {
  it.each<[string, object, readonly string[]]>([
    ['a model to try', { canary: { model: 'gpt-5', share: 0.1 } }, []],
    [
      'an endpoint to try in place of an alias',
      { canary: { endpoint: 'new', replaces: 'fast', share: 0.1 } },
      [],
    ],
    [
      'an unknown model to try',
      { canary: { model: 'gpt-50', share: 0.1 } },
      ['canary.model: expected a model that an endpoint has (did you mean \'gpt-5\'?), got "gpt-50"'],
    ],
    [
      'an unknown endpoint to copy calls to',
      { shadow: { endpoint: 'newest', share: 0.1, usdPerDay: 1 } },
      ['shadow.endpoint: expected the name of an endpoint, got a string (not shown)'],
    ],
    [
      'neither a model nor an endpoint to try',
      { canary: { share: 0.1 } },
      [expect.stringMatching(/^canary: expected either a model or an endpoint/) as string],
    ],
    [
      'an unknown model to replace',
      { canary: { model: 'gpt-5', replaces: 'o3', share: 0.1 } },
      ['canary.replaces: expected another model or alias that an endpoint has, got a string (not shown)'],
    ],
    [
      'the same model to replace',
      { canary: { model: 'gpt-5', replaces: 'gpt-5', share: 0.1 } },
      ['canary.replaces: expected another model or alias that an endpoint has, got a string (not shown)'],
    ],
    ['fallbacks of a model and of an alias', { fallbacks: { 'gpt-4o': ['gpt-5'], fast: ['gpt-5'] } }, []],
    [
      'a fallback that is the model itself',
      { fallbacks: { 'gpt-5': ['gpt-5'] } },
      ['fallbacks["gpt-5"][0]: expected a model other than the one it is a fallback for, got "gpt-5"'],
    ],
  ])('checks %s', (_name, more, faults) => {
    expect(faultsOf({ endpoints, ...more })).toEqual(faults);
  });

  it('reports a fallback that is no name once, and checks those beside it', () => {
    const faults = faultsOf({ endpoints, fallbacks: { 'gpt-4o': [7, '', 'gpt-9'] } });
    expect(faults.filter((fault) => fault.startsWith('fallbacks["gpt-4o"][0]'))).toHaveLength(1);
    expect(faults.filter((fault) => fault.startsWith('fallbacks["gpt-4o"][1]'))).toHaveLength(1);
    expect(faults.filter((fault) => fault.startsWith('fallbacks["gpt-4o"][2]'))).toHaveLength(1);
  });

  it('reports the missing name and model of an endpoint beside the names that are unknown without them', () => {
    const faults = faultsOf({
      endpoints: [{ apiKey: 'k', aliases: ['fast'] }],
      canary: { model: 'gpt-5', share: 0.1 },
      fallbacks: { fast: ['gpt-5'] },
    });
    for (const path of ['endpoints[0].name', 'endpoints[0].model', 'canary.model', 'fallbacks.fast[0]'])
      expect(faults.filter((fault) => fault.startsWith(`${path}: expected`))).toHaveLength(1);
  });
});

describe('resolveConfig() with other faults', () => {
  it('shortens a long value in the message', () => {
    expect(faultsOf(configWith({ strategy: 'fast '.repeat(40) }))).toEqual([
      expect.stringMatching(/, got "(?:fast ){16}"\.\.\.$/) as string,
    ]);
  });

  it.each([['a text'], [7], [null]])('reports headers that are no object: %j', (headers) => {
    expect(faultsOf(endpointWith({ headers }))).toEqual([
      expect.stringMatching(
        /^endpoints\[0\]\.headers: expected an object of header names and values/,
      ) as string,
    ]);
  });

  it.each([['http://cache'], [7], [null]])(
    'reports a Redis that is neither a URL nor options nor a client: %j',
    (redis) => {
      expect(faultsOf(configWith({ cluster: { redis } }))).toEqual([
        expect.stringMatching(/^cluster\.redis: expected a redis:\/\/ or rediss:\/\/ URL/) as string,
      ]);
    },
  );

  it.each([undefined, ''])('asks whether the variable is set if the Redis is %j', (redis) => {
    expect(faultsOf(configWith({ cluster: { redis } }))).toEqual([
      expect.stringMatching(
        /^cluster\.redis: expected a redis:.*is the environment variable set\?/,
      ) as string,
    ]);
  });

  it('accepts the options of a Redis client', () => {
    expect(faultsOf(configWith({ cluster: { redis: { host: 'cache', port: 6379 } } }))).toEqual([]);
  });
});

describe('The secrets of a configuration', () => {
  it.each<[string, unknown, readonly string[]]>([
    ['nothing', undefined, []],
    ['endpoints that are no list', { endpoints: {} }, []],
    ['the user of a proxy without a password', { http: { proxy: { auth: { username: 'me' } } } }, ['me']],
    [
      'the user and the password of a proxy, also as they are sent',
      { http: { proxy: { auth: { username: 'me', password: 'secret' } } } },
      ['me', 'secret', BASIC],
    ],
    [
      'the user of a URL without a password',
      { http: { proxy: 'http://token@proxy:80' } },
      ['token', 'dG9rZW46'],
    ],
    [
      'the password of a URL, also decoded',
      { cluster: { redis: 'redis://me:p%40ss@cache' } },
      ['me', 'p%40ss', 'p@ss'],
    ],
    [
      'the user and the password of the URL of a proxy, also as they are sent',
      { http: { proxy: 'http://me:secret@proxy:80' } },
      ['me', 'secret', BASIC],
    ],
    ['a proxy without credentials', { http: { proxy: { host: 'proxy', port: 80 } } }, []],
    ['a password that can not be decoded', { cluster: 'redis://:100%@cache' }, ['100%']],
    [
      'the options of a Redis client',
      { cluster: { redis: { host: 'cache', password: 'secret' } } },
      ['secret'],
    ],
    [
      'a client of Redis',
      {
        cluster: {
          redis: {
            options: { username: 'me', password: 'secret' },
            status: 'wait',
            duplicate: () => undefined,
          },
        },
      },
      ['me', 'secret'],
    ],
    ['a URL without credentials', { cluster: { redis: 'redis://cache' } }, []],
    [
      'a header, and what follows its scheme',
      { endpoints: [{ headers: { authorization: 'Bearer sk-secret', 'x-team': 'shop' } }] },
      ['Bearer sk-secret', 'sk-secret'],
    ],
  ])('are found in %s', (_name, config, secrets) => {
    expect([...new Set(secretsOf(config))]).toEqual(secrets);
  });

  it('are found in the proxies of the environment', () => {
    const before = { ...process.env };
    process.env = {
      ...before,
      HTTPS_PROXY: 'http://me:secret@proxy:80',
      https_proxy: 'http://me:secret@proxy:80',
    };
    try {
      expect(secretsOf({ http: { proxy: 'env' } })).toEqual(expect.arrayContaining(['me', 'secret', BASIC]));
    } finally {
      process.env = before;
    }
  });

  it('appear in no message', () => {
    const config = {
      endpoints: [{ ...ENDPOINT, name: 'account sk-very-secret-key', apiKey: 'sk-very-secret-key' }],
      strategy: 'sk-very-secret-key',
    };
    let message = '';
    try {
      resolveConfig(config as never);
    } catch (error) {
      message = AiBalancerError.isInstance(error) ? error.message : String(error);
    }
    expect(message).toContain('endpoints[0].name: expected a name without a key in it');
    expect(message).not.toContain('very-secret');
  });
});
