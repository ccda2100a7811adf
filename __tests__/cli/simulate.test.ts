import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../lib/cli/simulate/config-file';
import { formatReport, type SimulationReport } from '../../lib/cli/simulate/report';
import { type ProgramResult, run } from './run';

jest.setTimeout(60_000);

const CLI = 'lib/cli/main.ts';
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'simulate-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

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

test('a sale beyond the quotas: people are told what binds first, and what one more key changes', async () => {
  const sale = await report('--config', file('two.json', TWO_KEYS), ...SALE);
  expect(sale.figures.calls).toBeGreaterThan(150);
  expect(sale.figures.goodput).toBeLessThan(95);
  expect(sale.bindsFirst).toMatchObject({ quota: 'tokens', firstAtS: expect.any(Number) as number });
  expect(sale.bindsFirst!.firstAtS).toBeGreaterThan(12);
  expect(sale.oneMoreKey!.endpoint).toBe(sale.bindsFirst!.endpoint);
  expect(sale.oneMoreKey!.figures.calls).toBe(sale.figures.calls);
  expect(sale.oneMoreKey!.figures.goodput).toBeGreaterThan(sale.figures.goodput + 5);
  const told = formatReport(sale);
  for (const words of [
    /calls in 60 s, 0\.6 a second, from second 12 on 12 a second \(20 times\)/,
    /goodput +\d+\.\d %/,
    /p50 .* p95 .* p99 /,
    /cost +\$\d/,
    /429s +\d+ of \d+ attempts/,
    /^main +\d+/m,
    /tokens a minute of (main|spare) bind first: used up at second \d+/,
    /One more key like that: goodput \d+\.\d % → \d+\.\d %/,
  ]) {
    expect(told).toMatch(words);
  }
});

test('the same seed is the same run to the last call, another seed is another', async () => {
  const config = file('two.json', TWO_KEYS);
  const [one, again, other] = await Promise.all([
    report('--config', config, '--seconds', '20', '--rps', '4', '--seed', '7'),
    report('--config', config, '--seconds', '20', '--rps', '4', '--seed', '7'),
    report('--config', config, '--seconds', '20', '--rps', '4', '--seed', '8'),
  ]);
  expect(again.digest).toBe(one.digest);
  expect(other.digest).not.toBe(one.digest);
});

test('where no quota is used up it says that one more key would change nothing', async () => {
  const config = file('free.json', '{"endpoints":[{"name":"a","model":"gpt-4o"}]}');
  const { out } = await simulate('--config', config, '--seconds', '10', '--rps', '2');
  expect(out).toContain('one more key would change nothing');
});

test('an outage and a brownout hit the endpoints they name', async () => {
  const config = file('two.json', TWO_KEYS);
  const load = ['--config', config, '--rps', '2', '--seconds', '30'];
  const hit = await report(...load, '--outage', 'main@0+200', '--brownout', 'spare@0+200');
  const [main, spare] = hit.figures.endpoints;
  expect(main!.ends.answered).toBe(0);
  expect(main!.ends.error + main!.ends.left_early).toBeGreaterThan(0);
  expect(spare!.ends.answered).toBeGreaterThan(0);
  expect(hit.figures.firstTokenP50Ms).toBeGreaterThan(2_000);
});

test('a module may wait while it loads; no key is asked for, no shared state is reached, and no key is shown', async () => {
  const config = file(
    'shop.mjs',
    `await new Promise((ready) => setTimeout(ready, 5000));
     export default {
       endpoints: [
         { name: 'a', model: 'gpt-4o', apiKey: () => { throw new Error('a key was asked for'); } },
         { name: 'b', model: 'gpt-4o', apiKey: 'sk-not-to-be-seen', baseURL: 'http://127.0.0.1:1/v1' },
       ],
     };`,
  );
  const { code, out, err } = await simulate('-c', config, '--seconds', '10', '--rps', '2', '--json');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect((JSON.parse(out) as SimulationReport).figures.goodput).toBeGreaterThan(90);
  expect(out).not.toContain('sk-not');
});

test('endpoints of one quota group share its limit, and the key added is an account of its own', async () => {
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
  // A minute of calls, what was in the bucket, and those that wait for the next minute.
  expect(answered).toBeLessThan(140);
  expect(sale.bindsFirst).not.toBeNull();
  expect(sale.oneMoreKey!.figures.good).toBeGreaterThan(1.2 * sale.figures.good);
});

test('a trace of your own gives the lengths and the gaps', async () => {
  const trace = file('trace.csv', 't_ms,prompt_tokens,output_tokens\n0,100,10\n500,100,10\n1000,100,10\n');
  const config = file('free.json', '{"endpoints":[{"name":"a","model":"gpt-4o"}]}');
  const sale = await report('-c', config, '--trace', trace, '--rps', '2', '--seconds', '30');
  expect(sale.figures.calls).toBe(60);
  // 100 tokens in and 10 out at the list price of 2.5 and 10 USD per million.
  expect(sale.figures.usd).toBeCloseTo(0.35, 2);
});

test.each([
  ['nowhere.json', 'nowhere.json: there is no such file'],
  ['README.md', 'README.md: expected a file ending in .js, .mjs, .cjs, .json'],
  ['package.json', 'package.json: expected a BalancerConfig'],
  ['__tests__/cli/run.ts', 'expected a file ending in'],
])('a file that holds no configuration is told from one that is not there: %s', async (path, message) => {
  await expect(loadConfig(path)).rejects.toMatchObject({
    name: 'UsageError',
    message: expect.stringContaining(message) as string,
  });
});

test('the faults of a configuration are told as the balancer tells them, and an unknown endpoint with those there are', async () => {
  const wrong = await simulate(
    '-c',
    file('wrong.json', '{"endpoints":[{"name":"a","model":"gpt-4o","rpm":-1}]}'),
  );
  expect(wrong.code).toBe(2);
  expect(wrong.err).not.toMatch(/^\s+at /m);
  expect(wrong.err).toMatch(/wrong\.json: .*\n.*endpoints\[0\]\.rpm/);
  const unknown = await simulate('-c', file('two.json', TWO_KEYS), '--outage', 'nobody@1+1');
  expect(unknown.err.trim()).toBe("--outage: no endpoint is named 'nobody'; there are main, spare");
});

test('help is given for the asking; an unknown command is refused', async () => {
  const help = await run(CLI, '--help');
  expect(help).toMatchObject({ code: 0, err: '' });
  expect(help.out).toContain('--outage NAME@60+120');
  expect((await simulate('--help')).out).toBe(help.out);
  expect(await run(CLI, 'simulat')).toMatchObject({ code: 2, out: '' });
});
