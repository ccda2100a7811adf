import { configIn } from '../../lib/cli/config-file';
import { shareOf } from '../../lib/cli/serve/quota-share';
import { readSettings } from '../../lib/cli/serve/settings';
import { temporaryFiles } from './temporary-files';

const file = temporaryFiles('serve-settings-');
const ENDPOINT = { name: 'main', model: 'gpt-4o', apiKey: '${SETTINGS_TEST_KEY}' };

function configOf(serve: unknown, endpoint: object = ENDPOINT): string {
  return file('gateway.json', JSON.stringify({ endpoints: [endpoint], serve }));
}

const before = { ...process.env };
beforeEach(() => {
  process.env = { ...before, SETTINGS_TEST_KEY: 'sk-test' };
  delete process.env.PORT;
});
afterAll(() => {
  process.env = before;
});

describe('The settings of express-ai-balancer serve', () => {
  it('have default values, and variables of the environment are put in', async () => {
    expect(await readSettings(['-c', configOf({ tokens: false })])).toEqual({
      config: { endpoints: [{ ...ENDPOINT, apiKey: 'sk-test' }] },
      serve: { tokens: false },
      port: 3_000,
      host: '127.0.0.1',
      workers: 1,
    });
  });

  it('come from flags before the environment, and from the environment before the file', async () => {
    const config = configOf({ tokens: [{ token: 'a' }], port: 1, host: '0.0.0.0' });
    expect(await readSettings(['-c', config])).toMatchObject({ port: 1, host: '0.0.0.0' });
    process.env.PORT = '2';
    expect(await readSettings(['-c', config])).toMatchObject({ port: 2 });
    expect(
      await readSettings(['-c', config, '--port', '0', '--host', '::1', '--workers', '4']),
    ).toMatchObject({ port: 0, host: '::1', workers: 4 });
    expect(await readSettings(['--help'])).toBe('help');
  });

  const tokens = 'serve.tokens: expected an array of { token, tenant?, priority? }, or false';
  it.each<[string, unknown, readonly string[], string]>([
    ['no option serve', undefined, [], tokens],
    ['no tokens', { port: 1 }, [], tokens],
    ['an empty list of tokens', { tokens: [] }, [], tokens],
    ['a token without a value', { tokens: [null] }, [], 'serve.tokens[0]: expected an object, got null'],
    [
      'a token that is not a text',
      { tokens: [{ token: 'a' }, { token: 7 }] },
      [],
      'serve.tokens[1].token: expected a text that is not empty (is the environment variable set?), got a number',
    ],
    [
      'a port in the file that is too large',
      { tokens: false, port: '70000' },
      [],
      'serve.port: expected a whole number from 0 to 65535, got "70000"',
    ],
    [
      'an invalid limit of tenants',
      { tokens: false, guard: { rpm: -1 } },
      [],
      'serve.guard.rpm: expected a finite number above 0',
    ],
    ['a number in place of the options', 7, [], 'serve: expected an object, got 7'],
    [
      'an unknown option',
      { tokens: false, prot: 1 },
      [],
      "serve.prot: expected a known option (did you mean 'port'?), got an unknown option",
    ],
    [
      'a variable that is empty',
      { tokens: [{ token: '${SETTINGS_TEST_EMPTY}' }] },
      [],
      'serve.tokens[0].token: expected the environment variable SETTINGS_TEST_EMPTY, got nothing: it is not set',
    ],
    [
      'a port that is too large',
      { tokens: false },
      ['--port', '65536'],
      '--port: expected a whole number from 0 to',
    ],
    ['a port that is empty', { tokens: false }, ['--port', ' '], '--port: expected a whole number from 0 to'],
    [
      'half a worker',
      { tokens: false },
      ['--workers', '1.5'],
      '--workers: expected a whole number from 1 to 256',
    ],
    ['no worker', { tokens: false }, ['--workers', '0'], '--workers: expected a whole number from 1 to 256'],
    ['an unknown flag', { tokens: false }, ['--worker', '2'], "'--worker'"],
  ])('are rejected with an explanation if there is %s', async (_name, serve, args, message) => {
    process.env.SETTINGS_TEST_EMPTY = '';
    await expect(readSettings(['--config', configOf(serve), ...args])).rejects.toMatchObject({
      name: 'UsageError',
      message: expect.stringContaining(message) as string,
    });
  });

  it('are rejected without a file, and with one that is not JSON', async () => {
    await expect(readSettings([])).rejects.toThrow('--config FILE is missing (see --help)');
    await expect(readSettings(['-c', file('wrong.json', '{')])).rejects.toThrow(/wrong\.json: not JSON: /);
  });
});

it('express-ai-balancer serve: a single worker has every limit whole, and several divide a budget without tenants', () => {
  const config = { endpoints: [{ name: 'a', model: 'm', rpm: 60, tpm: 900 }], budgets: { usdPerHour: 8 } };
  expect(shareOf(config, 1)).toBe(config);
  expect(shareOf(config, 2)).toEqual({
    endpoints: [{ name: 'a', model: 'm', rpm: 30, tpm: 450 }],
    budgets: { usdPerHour: 4 },
  });
});

const CONFIG = { endpoints: [ENDPOINT] };
it.each<[string, Record<string, unknown>, unknown]>([
  ['the default export', { default: CONFIG, other: 7 }, CONFIG],
  ['the export named config', { default: 7, config: CONFIG }, CONFIG],
  ['the default export of a CommonJS module', { default: { default: CONFIG } }, CONFIG],
  ['the export named config of a CommonJS module', { default: { config: CONFIG } }, CONFIG],
  ['the default export beside one named endpoints', { default: CONFIG, endpoints: [] }, CONFIG],
  ['all exports together', CONFIG, CONFIG],
  ['a default export without endpoints, which is reported', { default: { rpm: 7 } }, { rpm: 7 }],
  ['no export, which is reported', { other: 7 }, { other: 7 }],
])('express-ai-balancer: a configuration file gives its configuration as %s', (_name, exported, config) => {
  expect(configIn(exported)).toEqual(config);
});
