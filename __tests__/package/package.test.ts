import { execFile } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Gateways } from '../cli/serving';
import { freePort, RedisServer } from '../cluster/harness/redis-server';
import { Rig, until } from '../helpers/provider';
import { requires } from '../helpers/requires';
import { findRuntime } from '../helpers/runtimes';
import { BUNDLERS } from './bundles';
import { manifest, OWN_COMPILER, PackedPackage, ROOT } from './packed';

const packed = new PackedPackage();
beforeAll(() => packed.build(), 600_000);
afterAll(() => packed.remove());

describe('The packed package', () => {
  it('contains the expected files and no others', async () => {
    const files = await packed.files();
    expect(files).toEqual(expect.arrayContaining(['README.md', 'LICENSE', 'CHANGELOG.md', 'THIRD-PARTY.md']));
    for (const entry of ['index', 'simulator', 'simulator-child']) {
      for (const extension of ['cjs', 'mjs']) expect(files).toContain(`dist/${entry}.${extension}`);
    }
    const isBuilt = (name: string) =>
      /^dist\/[\w-]+\.(cjs|mjs|d\.cts|d\.mts)$/.test(name) ||
      /^dist\/dashboard\/[\w-]+\.(mjs|css|html|svg)$/.test(name);
    const others = files.filter((name) => !isBuilt(name));
    expect(files).toContain('dist/dashboard/index.html');
    const documents = [
      'CHANGELOG.md',
      'LICENSE',
      'README.ko.md',
      'README.md',
      'THIRD-PARTY.md',
      'package.json',
    ];
    expect(others.sort()).toEqual(documents);
  });

  it('passes publint', async () => {
    expect(await packed.publint()).toContain('All good!');
  });

  it('passes attw, so that its types resolve under every module system', async () => {
    const report = await packed.attw();
    expect(report).toContain('No problems found');
  });

  it('has declarations that contain no any, need no optional peers, and add req.ai', async () => {
    for (const file of ['dist/index.d.cts', 'dist/index.d.mts']) {
      const text = (await packed.read(file)).replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
      expect(text.match(/.*\bany\b.*/g) ?? []).toEqual([]);
      // The compiler must not need a peer that is optional at run time.
      expect(text).not.toMatch(/from "(ioredis|prom-client|@opentelemetry)/);
      expect(text).toMatch(/namespace Express \{\s*interface Request \{\s*ai: RequestAi;/);
    }
  });

  it('bundles tokenx, zod and yaml, lists them in THIRD-PARTY.md, and imports only declared dependencies', async () => {
    for (const name of ['tokenx', 'zod', 'yaml']) {
      expect(manifest.dependencies).not.toHaveProperty(name);
      const { version } = JSON.parse(
        readFileSync(join(ROOT, `node_modules/${name}/package.json`), 'utf8'),
      ) as { version: string };
      expect(await packed.read('THIRD-PARTY.md')).toContain(`## ${name} ${version}\n`);
    }
    const peers = ['express', 'ioredis', 'prom-client', '@opentelemetry/api'];
    const declared = new Set([...Object.keys(manifest.dependencies), ...peers]);
    for (const file of (await packed.files()).filter((name) => /\.[cm]js$/.test(name))) {
      const text = await packed.read(file);
      const imports = file.endsWith('.cjs')
        ? /\brequire\("([^".][^"]*)"\)/g
        : /^(?:import|export) .*from "([^".][^"]*)";$/gm;
      const wanted = [...text.matchAll(imports)].map(([, name]) => name ?? '');
      const packageOf = (name: string) => /^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? '';
      const foreign = wanted.filter(
        (name) => !name.startsWith('node:') && name !== 'url' && !declared.has(packageOf(name)),
      );
      expect([file, foreign]).toEqual([file, []]);
    }
  });
});

describe('package.json in the packed package', () => {
  it('has no install scripts, devDependencies or allowScripts', async () => {
    const own = JSON.parse(packed.readSource('package.json')) as Record<string, unknown>;
    const { scripts, ...fields } = JSON.parse(await packed.read('package.json')) as {
      scripts: Record<string, string>;
    };
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare'])
      expect(scripts).not.toHaveProperty(name);
    const { scripts: _, devDependencies: _dev, allowScripts: _allowed, ...published } = own;
    expect(fields).toEqual(published);
  });

  it('is unchanged in the repository after npm pack', () => {
    expect(packed.readSource('package.json')).toBe(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  });
});

describe.each(['README.md', 'README.ko.md'])('%s in the packed package', (readme) => {
  const [, repository = ''] = /^git\+(https:\/\/github\.com\/.+)\.git$/.exec(manifest.repository.url) ?? [];
  const LINK = /(?:\]\(|(?:src|href)=")([^)"\s]+)/g;

  it('is in the repository to which the homepage and the bug tracker belong', () => {
    expect(manifest).toMatchObject({
      homepage: `${repository}#readme`,
      bugs: { url: `${repository}/issues` },
    });
  });

  it('has absolute links to pages and pictures of its version, all of which are in the repository', async () => {
    const links = [...(await packed.read(readme)).matchAll(LINK)].map(([, link]) => link!);
    expect(links.filter((link) => !/^(?:https?:|#)/.test(link))).toEqual([]);
    const pages = `${repository}/blob/v${manifest.version}/`;
    const pictures = `${repository.replace('github.com', 'raw.githubusercontent.com')}/v${manifest.version}/`;
    const paths = links.flatMap((link) =>
      [pages, pictures].flatMap((start) => (link.startsWith(start) ? link.slice(start.length) : [])),
    );
    expect(paths.length).toBeGreaterThan(30);
    expect(links).toContain(`${pictures}docs/images/dashboard.png`);
    for (const path of paths)
      expect([path, existsSync(join(ROOT, path.split('#')[0]!))]).toEqual([path, true]);
  });

  it('is unchanged in the repository after npm pack', () => {
    expect(packed.readSource(readme)).toBe(readFileSync(join(ROOT, readme), 'utf8'));
  });
});

describe('A project that has installed the package', () => {
  it('can require it from CommonJS', async () => {
    const project = await packed.consumer('commonjs');
    expect(await project.run('cjs.cjs')).toBe('cjs works');
    expect(await project.run('fleet.cjs')).toBe('fleet works');
  });

  it('can import it as an ES module and mix it with the CommonJS copy', async () => {
    const project = await packed.consumer('module');
    expect(await project.run('esm.mjs')).toBe('esm works');
    expect(await project.run('fleet.mjs')).toBe('fleet works');
    expect(await project.run('runtime.mjs')).toBe('runtime works');
  });

  describe.each(['Node.js 22', 'Node.js 24', 'Bun', 'Deno'] as const)('can run under %s', (name) => {
    const runtime = findRuntime(name);
    const test = runtime ? it : it.skip;

    test.each([
      ['cjs.cjs', 'cjs works'],
      ['fleet.mjs', 'fleet works'],
      ['runtime.mjs', 'runtime works'],
    ])('%s', async (file, printed) => {
      const project = await packed.consumer('commonjs');
      expect(await project.run(file, runtime)).toBe(printed);
    });
  });

  // A program has one of the two copies of the declarations: they add `ai` to Express's requests.
  describe.each([
    ['TypeScript 5.4', 'module'],
    ['the TypeScript of this repository', 'commonjs'],
    ['TypeScript 7', 'module'],
    ['TypeScript 7', 'commonjs'],
  ] as const)('can be compiled with %s', (name, type) => {
    const compiler = name === 'the TypeScript of this repository' ? OWN_COMPILER : findRuntime(name)?.file;
    const test = compiler === undefined ? it.skip : it;

    test(`to ${type}, the declarations of the package included`, async () => {
      const project = await packed.consumer(type, ['@types/node', '@types/express']);
      expect(await project.compile('typed.ts', compiler ?? '')).toBe('');
      expect(await project.execute('typed.js')).toBe('typed works');
    });
  });

  it('can be compiled with the TypeScript of this repository to an ES module', async () => {
    const project = await packed.consumer('module', ['@types/node', '@types/express']);
    expect(await project.compile('typed.ts', OWN_COMPILER, true)).toBe('');
    expect(await project.execute('typed.js')).toBe('typed works');
  });
});

describe('A bundle with the package and its simulator', () => {
  it.each(BUNDLERS)('made by %s runs', async (_name, bundle) => {
    const project = await packed.consumer('commonjs');
    project.copy('bundled.mjs');
    expect(await project.execute(await bundle(project.folder, 'bundled.mjs'))).toBe('bundle works');
  });

  it("has an error that says what to do if it can't start a fleet process because the package is not installed", async () => {
    const project = await packed.consumer('commonjs');
    project.copy('bundled.mjs');
    const [, esbuild] = BUNDLERS[1]!;
    const file = await esbuild(project.folder, 'bundled.mjs');
    rmSync(join(project.folder, 'node_modules'), { recursive: true });
    expect(await project.execute(file)).toMatch(/not installed where this bundle runs.*startFleet\(\)/);
  });
});

describe('A bundle with the dashboard', () => {
  it.each(BUNDLERS.filter(([name]) => name.startsWith('esbuild')))(
    'made by %s has an error that says that the files of the page are missing, and what to do',
    async (_name, bundle) => {
      const project = await packed.consumer('commonjs');
      project.copy('dashboard.mjs');
      expect(await project.execute(await bundle(project.folder, 'dashboard.mjs'))).toMatch(
        /files of the dashboard are missing.*keep express-ai-balancer external/,
      );
    },
  );
});

describe('The command of the package', () => {
  it('writes a migrated configuration that it can load without tsx', async () => {
    const project = await packed.consumer('module');
    const list =
      'model_list: [{ model_name: fast, litellm_params: { model: groq/llama-3.3-70b-versatile, rpm: 30 } }]';
    writeFileSync(join(project.folder, 'config.yaml'), list);
    const command = join(project.folder, 'node_modules', manifest.name, 'dist/cli.mjs');
    const cli = (...args: string[]) =>
      promisify(execFile)(process.execPath, [command, ...args], { cwd: project.folder });
    const { stderr } = await cli('migrate', 'config.yaml', '--out', 'ai.config.mjs');
    expect(stderr).toContain('config.yaml: a configuration of LiteLLM: 1 endpoint, 1 model');
    const { stdout } = await cli('simulate', '-c', 'ai.config.mjs', '--seconds', '5', '--rps', '1');
    expect(stdout).toMatch(/^fast +\d+/m);
    expect((await cli('--version')).stdout).toBe(`${manifest.version}\n`);
    if ((process.features as { typescript?: unknown }).typescript) return;
    await cli('migrate', 'config.yaml', '--out', 'ai.config.ts');
    await expect(cli('simulate', '-c', 'ai.config.ts')).rejects.toMatchObject({
      code: 2,
      stderr:
        'ai.config.ts: could not be loaded: TypeScript needs Node 22.18 or the package tsx: npm install tsx\n',
    });
  });

  const gateways = new Gateways();
  const rig = new Rig();
  const env = { HOLYSHEEP_API_KEY: 'sk-up', SHOP_TOKEN: 'sk-shop', ADMIN_TOKEN: 'sk-admin' };
  const ask = { model: 'gpt-4o-mini', messages: [{ role: 'user' as const, content: 'Hi' }] };
  const cli = `node_modules/${manifest.name}/dist/cli.mjs`;

  describe.each(['Node.js 22', 'Node.js 24'] as const)('under %s, without tsx,', (name) => {
    const runtime = findRuntime(name);
    const test = runtime ? it : it.skip;

    test('serves a TypeScript configuration', async () => {
      const { url } = await rig.provider({ models: { 'gpt-4o-mini': {} }, reply: () => 'Hi' });
      const project = await packed.consumer('commonjs');
      const config = `
        import type { BalancerConfig } from '${manifest.name}';
        const endpoints: BalancerConfig['endpoints'] = [{ name: 'a', model: 'gpt-4o-mini', baseURL: '${url}', apiKey: 'k' }];
        export default { endpoints, serve: { tokens: false } };`;
      writeFileSync(join(project.folder, 'gateway.mts'), config);
      const args = [cli, 'serve', '--config', 'gateway.mts', '--port', '0'];
      const gateway = await gateways.start({ program: runtime?.file, args, cwd: project.folder, env });
      const { choices } = await gateway.client.chat.completions.create(ask);
      expect(choices[0]?.message.content).toBe('Hi');
      expect(await gateway.stop()).toBe(0);
    });
  });

  requires('redis-server').describe('in the image of examples/docker', () => {
    const example = (file: string) => readFileSync(join(ROOT, 'examples/docker', file), 'utf8');
    const instruction = (pattern: RegExp) =>
      JSON.parse(pattern.exec(example('Dockerfile'))?.[1] ?? '') as string[];

    it('serves the gateway, the dashboard and metrics with two workers and Redis, is healthy, and stops', async () => {
      const { url } = await rig.provider({ models: { 'gpt-4o-mini': {} }, reply: () => 'Hi' });
      const redis = await RedisServer.start();
      try {
        const [, installed = ''] = /npm install --omit=dev (.*)$/m.exec(example('Dockerfile')) ?? [];
        const [own, ...others] = installed.split(' ');
        expect(own).toBe(manifest.name);
        const image = await packed.consumer('commonjs', others);
        const config = JSON.parse(example('gateway.json')) as { endpoints: object[] };
        config.endpoints = config.endpoints.map((endpoint) => ({ ...endpoint, baseURL: url }));
        writeFileSync(join(image.folder, 'gateway.json'), JSON.stringify(config));

        const [node, ...args] = instruction(/^CMD (\[.*\])$/m);
        expect(node).toBe('node');
        const port = String(await freePort());
        const gateway = await gateways.start({
          args,
          cwd: image.folder,
          env: { ...env, REDIS_URL: redis.url, PORT: port },
        });
        await until(() => gateway.workers().length === 2, 30_000);
        expect(new URL(gateway.url).port).toBe(port);

        const { choices } = await gateway.client.chat.completions.create(ask);
        expect(choices[0]?.message.content).toBe('Hi');
        expect((await fetch(`${gateway.url}/v1/models`)).status).toBe(401);
        const admin = { headers: { authorization: `Bearer ${env.ADMIN_TOKEN}` } };
        expect(await (await fetch(`${gateway.url}/dashboard/`, admin)).text()).toContain('<html');
        expect((await fetch(`${gateway.url}/dashboard/assets/app.mjs`, admin)).status).toBe(200);
        expect(await (await fetch(`${gateway.url}/metrics`, admin)).text()).toContain('ai_balancer_');
        expect((await redis.keys()).length).toBeGreaterThan(0);

        const [, ...check] = instruction(/^HEALTHCHECK [^[]*CMD (\[.*\])$/m);
        const isHealthy = async () => {
          const run = check.map((argument) => argument.replace(':3000/', `:${port}/`));
          return promisify(execFile)(process.execPath, run).then(
            () => true,
            () => false,
          );
        };
        expect(await isHealthy()).toBe(true);
        expect(await gateway.stop()).toBe(0);
        expect(await isHealthy()).toBe(false);
      } finally {
        await redis.close();
      }
    });

    it('gets all variables of its configuration and enough time to stop from the compose file', () => {
      const compose = example('compose.yaml');
      const names = [...example('gateway.json').matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name!);
      const given = [...compose.matchAll(/^ {6}([A-Z_]+): /gm)].map(([, name]) => name!);
      expect(given.sort()).toEqual(names.sort());
      expect(compose).toContain('"3000:3000"');
      expect(example('Dockerfile')).toContain('EXPOSE 3000');
      const { serve } = JSON.parse(example('gateway.json')) as { serve: { port?: number; graceMs?: number } };
      expect(serve.port ?? 3_000).toBe(3_000);
      const [, seconds] = /stop_grace_period: (\d+)s/.exec(compose) ?? [];
      expect(Number(seconds) * 1_000).toBeGreaterThan(serve.graceMs ?? 30_000);
    });

    it('is started with the same command as in the systemd unit of docs/serve.md, which allows enough time to stop', () => {
      const unit = readFileSync(join(ROOT, 'docs/serve.md'), 'utf8');
      const [, command = ''] = /^ExecStart=\/usr\/bin\/(.*)$/m.exec(unit) ?? [];
      const cmd = instruction(/^CMD (\[.*\])$/m).filter(
        (argument) => !['--host', '0.0.0.0'].includes(argument),
      );
      expect(command.split(' ')).toEqual(cmd);
      expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])).toBeGreaterThan(30);
    });
  });
});
