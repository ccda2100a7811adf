import { resolve } from 'node:path';
import { loadConfig } from '../../lib/cli/config-file';
import { formatReport, type SimulationReport } from '../../lib/cli/simulate/report';
import { type ProgramResult, run } from './run';
import { temporaryFiles } from './temporary-files';

const CLI = 'lib/cli/main.ts';

const file = temporaryFiles('simulate-');

function simulate(...args: readonly string[]): Promise<ProgramResult> {
  return run(CLI, 'simulate', ...args);
}

async function report(...args: readonly string[]): Promise<SimulationReport> {
  const { code, out, err } = await simulate(...args, '--json');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out) as SimulationReport;
}

const TWO_KEYS = JSON.stringify({
  endpoints: [
    { name: 'main', model: 'gpt-4o', rpm: 300, tpm: 150_000 },
    { name: 'spare', model: 'gpt-4o', rpm: 300, tpm: 150_000 },
  ],
});
const SALE = ['--rps', '12', '--spike', '20x', '--seconds', '60'];

test('simulate: if traffic exceeds the quotas, the report names the first exhausted quota and the effect of one more key', async () => {
  const sale = await report('--config', file('two.json', TWO_KEYS), ...SALE);
  expect(sale.figures.calls).toBeGreaterThan(150);
  expect(sale.figures.goodput).toBeLessThan(95);
  expect(sale.firstExhausted).toMatchObject({ quota: 'tokens', firstAtS: expect.any(Number) as number });
  expect(sale.firstExhausted!.firstAtS).toBeGreaterThan(12);
  expect(sale.oneMoreKey!.endpoint).toBe(sale.firstExhausted!.endpoint);
  expect(sale.oneMoreKey!.figures.calls).toBe(sale.figures.calls);
  expect(sale.oneMoreKey!.figures.goodput).toBeGreaterThan(sale.figures.goodput + 5);
  const text = formatReport(sale);
  for (const words of [
    /^model auto: gpt-4o\n\d+ calls in 60 s, 0\.6 per second; from second 12, 12 per second \(20 times as many\)/,
    /goodput +\d+\.\d %/,
    /p50 .* p95 .* p99 /,
    /cost +\$\d/,
    /429s +\d+ of \d+ attempts/,
    /^main +\d+/m,
    /Exhausted first: tokens per minute of (main|spare), at second \d+/,
    /With one more key: goodput \d+\.\d % → \d+\.\d %/,
  ]) {
    expect(text).toMatch(words);
  }
});

test('simulate: runs with the same seed are identical, and runs with different seeds differ', async () => {
  const config = file('two.json', TWO_KEYS);
  const [one, again, other] = await Promise.all([
    report('--config', config, '--seconds', '20', '--rps', '4', '--seed', '7'),
    report('--config', config, '--seconds', '20', '--rps', '4', '--seed', '7'),
    report('--config', config, '--seconds', '20', '--rps', '4', '--seed', '8'),
  ]);
  expect(again.digest).toBe(one.digest);
  expect(other.digest).not.toBe(one.digest);
});

test('simulate: if no quota is exhausted, the report says that one more key would change nothing', async () => {
  const config = file(
    'free.json',
    '{"endpoints":[{"name":"a","model":"gpt-4o"},{"name":"b","model":"claude-sonnet-4-5"}]}',
  );
  const { out } = await simulate('--config', config, '--seconds', '10', '--rps', '2');
  expect(out).toContain('one more key would change nothing');
  expect(out).toMatch(/^no limit on: a, b \(neither rpm nor tpm\)$/m);
  expect(out).toMatch(
    /^model auto: any of gpt-4o, claude-sonnet-4-5; calls of your clients name one: --model gpt-4o\n/,
  );
});

test('simulate: --outage and --brownout affect only the endpoints they name', async () => {
  const config = file('two.json', TWO_KEYS);
  const load = ['--config', config, '--rps', '2', '--seconds', '30'];
  const hit = await report(...load, '--outage', 'main@0+200', '--brownout', 'spare@0+200');
  const [main, spare] = hit.figures.endpoints;
  expect(main!.ends.answered).toBe(0);
  expect(main!.ends.error + main!.ends.left_early).toBeGreaterThan(0);
  expect(spare!.ends.answered).toBeGreaterThan(0);
  expect(hit.figures.firstTokenP50Ms).toBeGreaterThan(2_000);
});

test('simulate: presets need no key in the environment, limits per day are applied, and unknown models are named', async () => {
  const config = file(
    'shop.ts',
    `import { openai } from '${resolve('lib/index.ts')}';
     const limits = { rpd: 40, models: ['gpt-4o'] };
     export default { endpoints: openai({ apiKey: process.env.NO_SUCH_API_KEY, ...limits }) };`,
  );
  const load = ['-c', config, '--seconds', '30', '--rps', '3'];
  const [{ figures, firstExhausted }, unknown] = await Promise.all([
    report(...load),
    simulate(...load, '--model', 'gpt-40'),
  ]);
  expect(figures.endpoints[0]!.attempts).toBe(40);
  expect(firstExhausted).toMatchObject({ endpoint: 'openai-gpt-4o', quota: 'requests', per: 'day' });
  const message = "--model: no endpoint serves 'gpt-40': did you mean 'gpt-4o'?; known models: gpt-4o\n";
  expect(unknown).toEqual({ code: 2, out: '', err: message });
});

test('simulate: --target finds the smallest number of keys of the account that runs out', async () => {
  const endpoints = [{ name: 'main', model: 'gpt-4o', quotaGroup: 'account' }];
  const config = { endpoints, quotaGroups: { account: { tpm: 60_000 } } };
  const args = ['-c', file('one.json', JSON.stringify(config)), '--rps', '2', '--seconds', '40'];
  const { code, out, err } = await simulate(...args, '--target', '95', '--json');
  expect(code).toBe(0);
  const { target, figures } = JSON.parse(out) as SimulationReport;
  const lines = err.trim().split('\n');
  expect(lines).toHaveLength(target!.tried.length);
  expect(lines[0]).toMatch(/^run 1: the keys of the configuration: goodput \d+\.\d %$/);
  expect(lines[1]).toMatch(/^run 2: 2 keys in place of 1 for main \(\+1\): goodput \d+\.\d %$/);
  expect(figures.goodput).toBeLessThan(95);
  expect(target).toMatchObject({ targetPercent: 95, isReached: true, stoppedBy: null });
  const count = target!.keys.main!;
  expect(count).toBeGreaterThan(1);
  const fewer = target!.tried.filter(({ keys }) => (keys.main ?? 0) < count - 1);
  expect(fewer.every(({ goodput }) => goodput < 95)).toBe(true);
  expect(fewer.map(({ keys }) => keys.main ?? 0)).toContain(count - 2);
});

test('simulate: a config module may await a timer while it loads, no apiKey function is called and no key is printed', async () => {
  const config = file(
    'shop.mjs',
    `await new Promise((ready) => setTimeout(ready, 5000));
     export default {
       endpoints: [
         { name: 'a', model: 'gpt-4o', apiKey: () => { throw new Error('apiKey was called'); } },
         { name: 'b', model: 'gpt-4o', apiKey: 'sk-not-to-be-seen', baseURL: 'http://127.0.0.1:1/v1' },
       ],
     };`,
  );
  const { code, out, err } = await simulate('-c', config, '--seconds', '10', '--rps', '2', '--json');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect((JSON.parse(out) as SimulationReport).figures.goodput).toBeGreaterThan(90);
  expect(out).not.toContain('sk-not');
});

test('simulate: a config file for the serve command is accepted, and its environment variables need not be set', async () => {
  const endpoint = { name: 'a', model: 'gpt-4o', baseURL: '${UNSET_URL}/v1', apiKey: '${UNSET_KEY}' };
  const config = { endpoints: [endpoint], serve: { tokens: [{ token: '${UNSET_TOKEN}' }] }, cache: {} };
  const served = await report(
    '-c',
    file('serve.json', JSON.stringify(config)),
    '--seconds',
    '10',
    '--rps',
    '2',
  );
  expect(served.figures.goodput).toBeGreaterThan(90);
});

test('simulate: endpoints of a quota group share its limit, and the additional key has a limit of its own', async () => {
  const endpoints = ['a', 'b', 'c'].map((name) => ({ name, model: 'gpt-4o', quotaGroup: 'account' }));
  const config = { endpoints, quotaGroups: { account: { rpm: 60, tpm: 60_000 } } };
  const sale = await report(
    '-c',
    file('group.json', JSON.stringify(config)),
    '--rps',
    '3',
    '--seconds',
    '60',
  );
  const answered = sale.figures.endpoints.reduce((total, { ends }) => total + ends.answered, 0);
  // 60 per minute, the full bucket at the start, and calls that wait beyond the end of the traffic.
  expect(answered).toBeLessThan(140);
  expect(sale.firstExhausted).not.toBeNull();
  expect(sale.oneMoreKey!.figures.good).toBeGreaterThan(1.2 * sale.figures.good);
});

test('simulate: --trace sets the lengths of calls and the gaps between them', async () => {
  const trace = file('trace.csv', 't_ms,prompt_tokens,output_tokens\n0,100,10\n500,100,10\n1000,100,10\n');
  const config = file('free.json', '{"endpoints":[{"name":"a","model":"gpt-4o"}]}');
  const sale = await report('-c', config, '--trace', trace, '--rps', '2', '--seconds', '30');
  expect(sale.figures.calls).toBe(60);
  // 100 tokens in and 10 out at the list price of 2.5 and 10 USD per million.
  expect(sale.figures.usd).toBeCloseTo(0.35, 2);
});

test.each([
  ['nowhere.json', 'nowhere.json: no such file'],
  ['README.md', 'README.md: expected a file ending in .js, .mjs, .cjs, .ts, .mts, .cts, .json'],
  ['package.json', 'package.json: expected a BalancerConfig'],
  ['__tests__/cli/serve.test.ts', 'serve.test.ts: could not be loaded: '],
])(
  'simulate: a config file that is missing or contains no BalancerConfig is rejected: %s',
  async (path, message) => {
    await expect(loadConfig(path)).rejects.toMatchObject({
      name: 'UsageError',
      message: expect.stringContaining(message) as string,
    });
  },
);

test('simulate: an invalid configuration is rejected with its faults, and an unknown endpoint with the names of the known ones', async () => {
  const wrong = await simulate(
    '-c',
    file('wrong.json', '{"endpoints":[{"name":"a","model":"gpt-4o","rpm":-1}]}'),
  );
  expect(wrong.code).toBe(2);
  expect(wrong.err).not.toMatch(/^\s+at /m);
  expect(wrong.err).toMatch(/wrong\.json: .*\n.*endpoints\[0\]\.rpm/);
  const unknown = await simulate('-c', file('two.json', TWO_KEYS), '--outage', 'nobody@1+1');
  expect(unknown.err.trim()).toBe("--outage: no endpoint is named 'nobody'; known endpoints: main, spare");
  for (const [flag, name] of [
    ['--brownout', 'spore'],
    ['--outage', 'spa'],
  ] as const) {
    const near = await simulate('-c', file('two.json', TWO_KEYS), flag, `${name}@1+1`);
    expect(near.err).toContain(`${flag}: no endpoint is named '${name}': did you mean 'spare'?`);
  }
});

test('express-ai-balancer: --help prints the help, and an unknown command exits with code 2', async () => {
  const help = await run(CLI, '--help');
  expect(help).toMatchObject({ code: 0, err: '' });
  expect(help.out).toContain('--outage NAME@60+120');
  expect(help.out).toContain('--workers N');
  const commands = [simulate('--help'), run(CLI, 'serve', '--help'), run(CLI, 'migrate', '--help')];
  for (const { out } of await Promise.all(commands)) {
    expect(out).toMatch(/^express-ai-balancer \w+ /);
    expect(help.out).toContain(out);
  }
  expect(await run(CLI, 'simulat')).toMatchObject({ code: 2, out: '' });
});
