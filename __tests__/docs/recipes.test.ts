/** The recipes of the documentation, run as they are written. */
import { EventEmitter, once } from 'node:events';
import timers from 'node:timers/promises';
import { transformSync } from '@swc/core';
import * as library from 'express-ai-balancer';
import * as simulator from 'express-ai-balancer/simulator';
import { post } from '../helpers/express';
import { freePortExpress } from '../helpers/free-port-express';
import { Rig } from '../helpers/provider';
import { codeBlocks } from './documents';

/** The block of the document that has this text. */
function blockWith(document: string, text: string): string {
  const found = codeBlocks(document).find(({ code }) => code.includes(text));
  if (!found) throw new Error(`${document} has no code with ${text}`);
  return found.code;
}

type Run = (require: (name: string) => unknown, exports: object, process?: unknown) => unknown;

const AsyncFunction = (async () => await Promise.resolve()).constructor as FunctionConstructor;

/** Runs a module of the documentation; it gets these modules in place of those that it imports. */
function runModule(
  code: string,
  modules: Record<string, unknown>,
  { process, awaits = false }: { process?: unknown; awaits?: boolean } = {},
): { exports: Record<string, unknown>; result: unknown } {
  const { code: script } = transformSync(code, {
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'commonjs' },
  });
  const exports = {};
  const load = (name: string): unknown => modules[name] ?? jest.requireActual(name);
  const make = awaits ? AsyncFunction : Function;
  const run = make('require', 'exports', 'process', script) as Run;
  return { exports, result: run(load, exports, process) };
}

const own = { 'express-ai-balancer': library, 'express-ai-balancer/simulator': simulator };

describe('The jest test of docs/testing.md', () => {
  const { exports: app } = runModule(blockWith('docs/testing.md', '// app.ts'), own);
  runModule(blockWith('docs/testing.md', 'supertest'), { ...own, './app': app });
});

describe('The code that runs a migrated configuration locally, in docs/migrate.md', () => {
  it('calls the simulator with the endpoints of every provider, without Redis', async () => {
    const config: library.BalancerConfig = {
      endpoints: [
        { name: 'main', model: 'gpt-4o', apiKey: 'k', rpm: 500 },
        {
          name: 'azure',
          model: 'gpt-4o',
          provider: 'azure',
          baseURL: 'https://shop.openai.azure.com',
          apiKey: 'k',
          deployment: 'shop', // terms-ok: Azure's word
          apiVersion: '2024-10-21',
        },
        { name: 'claude', model: 'claude-sonnet-4-5', provider: 'anthropic', apiKey: 'k' },
      ],
      fallbacks: { 'gpt-4o': ['claude-sonnet-4-5'] },
      cluster: { redis: 'redis://127.0.0.1:1' },
      cache: { redis: true },
    };
    const lines: unknown[][] = [];
    const log = jest.spyOn(console, 'log').mockImplementation((...line) => void lines.push(line));
    const modules = { ...own, './ai.config.js': { config } };
    await runModule(blockWith('docs/migrate.md', 'startProvider'), modules, { awaits: true }).result;
    log.mockRestore();
    expect(lines).toEqual([[expect.any(String), expect.stringMatching(/main|azure/), expect.any(Array)]]);
  });
});

describe('The assertion of docs/testing.md on the key that was used', () => {
  it('holds', async () => {
    const code = blockWith('docs/testing.md', 'createHash');
    await expect(runModule(code, own, { awaits: true }).result).resolves.toBeUndefined();
  });
});

type NodeTest = (context: { after: (release: () => unknown) => void }) => Promise<void>;

describe('The node:test test of docs/testing.md', () => {
  const releases: (() => unknown)[] = [];
  const nodeTest = (name: string, run: NodeTest): void =>
    test(name, () => run({ after: (release) => releases.push(release) }));
  afterEach(async () => {
    for (const release of releases) await release();
    expect(releases).toHaveLength(1);
  });
  runModule(blockWith('docs/testing.md', 'node:test'), { ...own, 'node:test': { test: nodeTest } });
});

describe('The shutdown code of docs/production.md', () => {
  const rig = new Rig();
  afterEach(() => rig.close());

  it('lets a running call finish, makes /readyz fail, and then refuses connections', async () => {
    const provider = await rig.provider({
      models: { 'gpt-4o-mini': {} },
      timeScale: 1,
      reply: () => 'On its way.',
    });
    const { process, url, closed, endWait } = await start(provider.url);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);

    const running = post(`${url}/helpdesk`, {}, { question: 'Where is my parcel?' });
    while (provider.stats().seen === 0) await timers.setTimeout(5);
    process.emit('SIGTERM');
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    endWait();
    expect(await running).toMatchObject({ status: 200 });

    await closed;
    await expect(fetch(`${url}/healthz`)).rejects.toThrow('fetch failed');
  });

  /** The app of the recipe on a free port. `endWait` ends its five seconds for the load balancer. */
  async function start(baseURL: string) {
    const process = Object.assign(new EventEmitter(), { env: {} });
    const { express, listening } = freePortExpress();
    let endWait = (): void => undefined;
    const noticed = new Promise<void>((resolve) => (endWait = resolve));
    const modules = {
      express,
      'express-ai-balancer': {
        ...library,
        holysheep: () => library.holysheep({ apiKey: 'test', baseURL, models: ['gpt-4o-mini'] }),
      },
      'node:timers/promises': {
        setTimeout: (ms: number) =>
          ms === 5_000 ? noticed : timers.setTimeout(ms, undefined, { ref: false }),
      },
    };
    runModule(blockWith('docs/production.md', 'SIGTERM'), modules, { process });
    const { server, url } = await listening();
    return { process, url, closed: once(server, 'close'), endWait };
  }
});

describe('The app of docs/getting-started.md that runs without a key', () => {
  it('answers a question', async () => {
    const { express, listening } = freePortExpress();
    const providers: simulator.SimulatedProvider[] = [];
    const startProvider = async (options: simulator.ProviderOptions) => {
      const provider = await simulator.startProvider({ ...options, timeScale: 0 });
      providers.push(provider);
      return provider;
    };
    const modules = { ...own, express, 'express-ai-balancer/simulator': { startProvider } };
    const code = blockWith('docs/getting-started.md', 'startProvider');
    await runModule(code, modules, { awaits: true }).result;
    const { server, url } = await listening();
    expect(await post(`${url}/helpdesk`, {}, { question: 'Where is my parcel?' })).toMatchObject({
      status: 200,
      json: { answer: expect.stringMatching(/\w+ \w+/) as string },
    });
    server.close();
    server.closeAllConnections();
    await Promise.all(providers.map((provider) => provider.close()));
  });
});
