import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { AuthenticationError } from 'openai';
import { shareOf } from '../../lib/cli/serve/quota-share';
import { readSettings } from '../../lib/cli/serve/settings';
import { RedisServer } from '../cluster/harness/redis-server';
import { Rig, rejection, until } from '../helpers/provider';
import { requires } from '../helpers/requires';
import { run } from './run';
import { Gateways, type RunningGateway } from './serving';

const ROOT = resolve(__dirname, '../..');
const CLI = 'lib/cli/main.ts';
const rig = new Rig();
const gateways = new Gateways();
const redis = requires('redis-server');
const servers: RedisServer[] = [];
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'serve-'));
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  for (const server of servers) await server.close();
});

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function jsonConfig(baseURL: string): string {
  const endpoints = [{ name: 'main', model: 'gpt-4o', baseURL, apiKey: '${UPSTREAM_KEY}', rpm: 6_000 }];
  const tokens = [{ token: '${SHOP_TOKEN}', tenant: 'shop', priority: 4 }];
  return JSON.stringify({ endpoints, serve: { tokens, adminToken: 'admin', graceMs: 30_000 } });
}

function start(config: string, ...args: readonly string[]): Promise<RunningGateway> {
  return gateways.start({
    args: ['--import', 'tsx', CLI, 'serve', '--config', config, '--port', '0', ...args],
    cwd: ROOT,
    env: { UPSTREAM_KEY: 'sk-up', SHOP_TOKEN: 'sk-shop' },
  });
}

const TEXT = 'It left our house this morning.';
const ASK = { model: 'gpt-4o', messages: [{ role: 'user' as const, content: 'Where is it?' }] };

describe('express-ai-balancer serve', () => {
  it('serves the gateway, the dashboard, metrics and health, and stops on SIGTERM after running calls have finished', async () => {
    const provider = await rig.provider({ timeScale: 1, reply: () => 'word '.repeat(100) });
    const { url, client, stop } = await start(file('config.json', jsonConfig(provider.url)));
    expect((await client.chat.completions.create({ ...ASK, max_completion_tokens: 1 })).choices).toHaveLength(
      1,
    );
    expect(await rejection(client.withOptions({ apiKey: 'sk-x' }).models.list())).toBeInstanceOf(
      AuthenticationError,
    );
    const admin = { headers: { authorization: 'Bearer admin' } };
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect((await fetch(`${url}/metrics`)).status).toBe(401);
    expect(await (await fetch(`${url}/metrics`, admin)).text()).toContain('ai_balancer_calls_total');
    const basic = `Basic ${Buffer.from('me:admin').toString('base64')}`;
    expect((await fetch(`${url}/dashboard/`, { headers: { authorization: basic } })).status).toBe(200);

    const running = client.chat.completions.create({ ...ASK, stream: true });
    await running;
    const exited = stop();
    let text = '';
    for await (const { choices } of await running) text += choices[0]?.delta.content ?? '';
    expect(text).toBe('word '.repeat(100));
    expect(await exited).toBe(0);
  });

  it('reads a TypeScript configuration', async () => {
    const provider = await rig.provider({ reply: () => 'Hi' });
    const text = `
      const tokens: { token: string }[] = [{ token: process.env.SHOP_TOKEN as string }];
      export default {
        endpoints: [{ name: 'main', model: 'gpt-4o', baseURL: '${provider.url}', apiKey: 'k' }],
        serve: { tokens },
      };`;
    const { client } = await start(file('config.mts', text));
    expect((await client.chat.completions.create(ASK)).choices[0]?.message.content).toBe('Hi');
  });

  it.each([
    ['no tokens', {}, 'serve.tokens: expected'],
    [
      'a token that is empty',
      { serve: { tokens: [{ token: 'a' }, { token: '' }] } },
      'serve.tokens[1].token: expected a text that is not empty (is the environment variable set?)',
    ],
    ['an invalid balancer', { serve: { tokens: false }, retry: 7 }, 'retry'],
  ])('exits with code 2 and an explanation for %s', async (_, more, message) => {
    const endpoints = [{ name: 'main', model: 'gpt-4o', apiKey: 'k' }];
    const path = file('wrong.json', JSON.stringify({ endpoints, ...more }));
    const { code, err } = await run(CLI, 'serve', '--config', path);
    expect(err).toContain(message);
    expect(code).toBe(2);
  });

  it('exits with code 2 and an explanation if its port is in use', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const endpoints = [{ name: 'main', model: 'gpt-4o', apiKey: 'k' }];
    const path = file(
      'taken.json',
      JSON.stringify({ endpoints, serve: { tokens: false, port, host: '127.0.0.1' } }),
    );
    const { code, err } = await run(CLI, 'serve', '--config', path);
    expect(err).toBe(`port ${port} of 127.0.0.1 is in use: choose another with --port\n`);
    expect(code).toBe(2);
    other.close();
  });

  it('also exits if its port is in use while it connects to Redis', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const endpoints = [{ name: 'main', model: 'gpt-4o', apiKey: 'k' }];
    const cluster = { redis: 'redis://127.0.0.1:1' };
    const settings = { endpoints, cluster, serve: { tokens: false, port, host: '127.0.0.1' } };
    const { code, err } = await run(CLI, 'serve', '--config', file('taken.json', JSON.stringify(settings)));
    expect(err).toContain(`port ${port} of 127.0.0.1 is in use`);
    expect(code).toBe(2);
    other.close();
  });

  it('lists every fault of a file: variables that are not set, and those of serve and of the endpoints', async () => {
    const path = file(
      'many.json',
      JSON.stringify({
        endpoints: [{ name: 'main', model: 'gpt-4o', apiKey: '${NOT_SET_A}', rpmm: 5 }],
        serve: {
          tokens: [{ token: '${NOT_SET_B}', tenent: 'shop' }],
          prt: 80,
          port: 70_000,
          guard: { rmp: 1 },
        },
      }),
    );
    const error = (await rejection(readSettings(['--config', path]))) as Error;
    expect(error.name).toBe('UsageError');
    expect(error.message.split('\n')).toEqual([
      `${path}: The configuration has 7 faults:`,
      '  endpoints[0].apiKey: expected the environment variable NOT_SET_A, got nothing: it is not set',
      '  serve.tokens[0].token: expected the environment variable NOT_SET_B, got nothing: it is not set',
      expect.stringMatching(/^ {2}serve\.tokens\[0\]\.tenent: .*did you mean 'tenant'/) as string,
      '  serve.port: expected a whole number from 0 to 65535, got 70000',
      expect.stringMatching(/^ {2}serve\.prt: .*did you mean 'port'/) as string,
      expect.stringMatching(/^ {2}serve\.guard\.rmp: .*did you mean 'rpm'/) as string,
      expect.stringMatching(/^ {2}endpoints\[0\]\.rpmm: .*did you mean 'rpm'/) as string,
    ]);
  });
});

/** Resolves once both workers serve: if the only one that listens is killed, connections are refused until the other does. */
async function bothServe({ url, client }: RunningGateway): Promise<void> {
  await client.chat.completions.create(ASK);
  const options = { agent: false, headers: { authorization: 'Bearer admin' } } as const;
  const hasServed = new Set<boolean>();
  while (hasServed.size < 2) {
    const metrics = await new Promise<string>((done, fail) => {
      get(`${url}/metrics`, options, (answer) => void readText(answer).then(done, fail)).on('error', fail);
    });
    hasServed.add(/^ai_balancer_calls_total\{/m.test(metrics));
  }
}

function killsAWorker(more: () => Promise<object>): void {
  it('answers all calls without silently truncated answers, and starts a new worker', async () => {
    const provider = await rig.provider({ timeScale: 0.1, reply: () => TEXT });
    const config = { ...(JSON.parse(jsonConfig(provider.url)) as object), ...(await more()) };
    const gateway = await start(file('workers.json', JSON.stringify(config)), '--workers', '2');
    await until(() => gateway.workers().length === 2);
    await bothServe(gateway);
    // The client's own retry, which is its default, covers the calls that the killed process had.
    const retrying = gateway.client.withOptions({ maxRetries: 2 });
    let answered = 0;
    const texts = new Set<string | null | undefined>();
    const failed: string[] = [];
    const whole = Array.from({ length: 4 }, async () => {
      for (let count = 0; count < 40; count++, answered++) {
        try {
          const { choices } = await retrying.chat.completions.create(ASK);
          texts.add(choices[0]?.message.content);
        } catch (error) {
          failed.push(String(error));
        }
      }
    });
    const broken: string[] = [];
    const streams = Array.from({ length: 4 }, async () => {
      for (let count = 0; count < 20; count++) {
        let text = '';
        try {
          for await (const { choices } of await retrying.chat.completions.create({ ...ASK, stream: true }))
            text += choices[0]?.delta.content ?? '';
          texts.add(text);
        } catch (error) {
          broken.push(String(error));
        }
      }
    });
    await until(() => answered >= 40, 60_000);
    const [victim] = gateway.workers();
    process.kill(victim as number, 'SIGKILL');
    await Promise.all([...whole, ...streams]);
    expect(failed).toEqual([]);
    expect([...texts]).toEqual([TEXT]);
    // At most those that the killed process was sending.
    if (broken.length > 4) expect(broken).toEqual([]);
    await until(
      () => gateway.workers().length === 2 && !gateway.workers().includes(victim as number),
      30_000,
    );
    expect(gateway.err()).toContain('SIGKILL');
    expect(await gateway.stop()).toBe(0);
  });
}

describe('express-ai-balancer serve with two workers, one of which is killed under load,', () => {
  killsAWorker(() => Promise.resolve({}));
});

redis.describe(
  'express-ai-balancer serve with two workers and Redis, one of which is killed under load,',
  () => {
    killsAWorker(async () => {
      const server = await RedisServer.start();
      servers.push(server);
      return { cluster: { redis: server.url } };
    });
  },
);

it('express-ai-balancer serve: workers without Redis have equal shares of every limit', () => {
  const endpoint = { name: 'a', model: 'm', rpm: 60, tpm: { input: 400, output: 200 }, maxConcurrent: 3 };
  const config = { endpoints: [endpoint], quotaGroups: { g: { rpm: 10 } } };
  expect(shareOf(config, 4)).toEqual({
    endpoints: [{ ...endpoint, rpm: 15, tpm: { input: 100, output: 50 }, maxConcurrent: 1 }],
    quotaGroups: { g: { rpm: 2.5 } },
  });
  const shared = { ...config, cluster: { redis: 'redis://x' } };
  expect(shareOf(shared, 4)).toBe(shared);
});

it('express-ai-balancer serve: workers have equal shares of what a shadow may spend and send at once', () => {
  const shadow = { model: 'n', share: 0.1, usdPerDay: 2, maxConcurrent: 4 };
  const endpoints = [{ name: 'a', model: 'm' }];
  expect(shareOf({ endpoints, shadow }, 2).shadow).toEqual({ ...shadow, usdPerDay: 1, maxConcurrent: 2 });
});

it('express-ai-balancer serve: workers whose budgets are in a store divide their other limits only', () => {
  const store = { update: () => Promise.resolve() };
  const config = {
    endpoints: [{ name: 'a', model: 'm', rpm: 60, usdPerHour: 3 }],
    quotaGroups: { g: { rpm: 10, usdPerDay: 8 } },
    budgets: { usdPerDay: 10, perTenant: { usdPerDay: 1 }, store },
    shadow: { model: 'n', share: 0.1, usdPerDay: 2, maxConcurrent: 4 },
  };
  expect(shareOf(config, 2)).toEqual({
    endpoints: [{ name: 'a', model: 'm', rpm: 30, usdPerHour: 3 }],
    quotaGroups: { g: { rpm: 5, usdPerDay: 8 } },
    budgets: config.budgets,
    shadow: { ...config.shadow, maxConcurrent: 2 },
  });
});

it('express-ai-balancer serve: workers without Redis have equal shares of every budget, including those of tenants', () => {
  const perTenant = { usdPerDay: 4, usdPerMonth: (tenant: string) => (tenant === 'free' ? 2 : undefined) };
  const share = shareOf({ endpoints: [], budgets: { usdPerHour: 8, perTenant } }, 4);
  const { perTenant: ofTenant, ...budgets } = share.budgets ?? {};
  expect(budgets).toEqual({ usdPerHour: 2 });
  expect(ofTenant?.usdPerDay).toBe(1);
  const monthly = ofTenant?.usdPerMonth as (tenant: string) => number | undefined;
  expect([monthly('free'), monthly('other')]).toEqual([0.5, undefined]);
});

it('express-ai-balancer serve: the configuration of examples/docker is valid', async () => {
  const env = { HOLYSHEEP_API_KEY: 'k', SHOP_TOKEN: 's', ADMIN_TOKEN: 'a', REDIS_URL: 'redis://127.0.0.1:1' };
  const before = { ...process.env };
  Object.assign(process.env, env);
  try {
    const settings = await readSettings(['--config', join(ROOT, 'examples/docker/gateway.json')]);
    if (settings === 'help') throw new Error('unexpected');
    expect(settings.serve).toMatchObject({ adminToken: 'a', tokens: [{ token: 's', tenant: 'shop' }] });
    const { redis: _redis, ...cluster } = settings.config.cluster as { redis: string };
    expect(cluster).toEqual({});
    rig.balancer(settings.config.endpoints);
  } finally {
    process.env = before;
  }
});
