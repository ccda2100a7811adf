import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { findRuntime } from '../helpers/runtimes';
import { BUNDLERS } from './bundles';
import { manifest, OWN_COMPILER, PackedPackage } from './packed';

const packed = new PackedPackage();
beforeAll(() => packed.build(), 120_000);
afterAll(() => packed.remove());

describe('the packed package', () => {
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
    expect(others.sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'THIRD-PARTY.md', 'package.json']);
  });

  it('passes publint', async () => {
    expect(await packed.publint()).toContain('All good!');
  });

  it('passes attw: its types resolve under every module system', async () => {
    const report = await packed.attw();
    expect(report).toContain('No problems found');
  });

  it('has declarations without any and without optional peers, and types req.ai', async () => {
    for (const file of ['dist/index.d.cts', 'dist/index.d.mts']) {
      const text = (await packed.read(file)).replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
      expect(text.match(/.*\bany\b.*/g) ?? []).toEqual([]);
      // The compiler must not need a peer that is optional at run time.
      expect(text).not.toMatch(/from "(ioredis|prom-client|@opentelemetry)/);
      expect(text).toMatch(/namespace Express \{\s*interface Request \{\s*ai: RequestAi;/);
    }
  });

  it('bundles tokenx, lists it in THIRD-PARTY.md, and imports only declared dependencies', async () => {
    expect(manifest.dependencies).not.toHaveProperty('tokenx');
    expect(await packed.read('THIRD-PARTY.md')).toMatch(/tokenx[\s\S]*MIT License/);
    const peers = ['express', 'ioredis', 'prom-client', '@opentelemetry/api'];
    const declared = new Set([...Object.keys(manifest.dependencies), ...peers]);
    for (const file of (await packed.files()).filter((name) => name.endsWith('.cjs'))) {
      const text = await packed.read(file);
      const wanted = [...text.matchAll(/\brequire\("([^".][^"]*)"\)/g)].map(([, name]) => name ?? '');
      const packageOf = (name: string) => /^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? '';
      const foreign = wanted.filter(
        (name) => !name.startsWith('node:') && name !== 'url' && !declared.has(packageOf(name)),
      );
      expect([file, foreign]).toEqual([file, []]);
    }
  });
});

describe('a project that has installed the package', () => {
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

  describe.each(['Node.js 22', 'Node.js 24', 'Bun', 'Deno'] as const)('runs under %s:', (name) => {
    const runtime = findRuntime(name);
    const test = runtime ? it : it.skip;

    test.each([
      ['cjs.cjs', 'cjs works'],
      ['esm.mjs', 'esm works'],
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
    ['the TypeScript of this repository', 'module'],
    ['the TypeScript of this repository', 'commonjs'],
    ['TypeScript 7', 'module'],
    ['TypeScript 7', 'commonjs'],
  ] as const)('compiles with %s', (name, type) => {
    const compiler = name === 'the TypeScript of this repository' ? OWN_COMPILER : findRuntime(name)?.file;
    const test = compiler === undefined ? it.skip : it;

    test(`to ${type}, the declarations of the package included`, async () => {
      const project = await packed.consumer(type, ['@types/node', '@types/express']);
      expect(await project.compile('typed.ts', compiler ?? '')).toBe('');
      expect(await project.execute('typed.js')).toBe('typed works');
    });
  });
});

describe('a bundle with the package and its simulator', () => {
  it.each(BUNDLERS)('made by %s runs', async (_name, bundle) => {
    const project = await packed.consumer('commonjs');
    project.copy('bundled.mjs');
    expect(await project.execute(await bundle(project.folder, 'bundled.mjs'))).toBe('bundle works');
  });

  it('says what to do where it can not start the process of a fleet: the package is not installed there', async () => {
    const project = await packed.consumer('commonjs');
    project.copy('bundled.mjs');
    const [, esbuild] = BUNDLERS[1]!;
    const file = await esbuild(project.folder, 'bundled.mjs');
    rmSync(join(project.folder, 'node_modules'), { recursive: true });
    expect(await project.execute(file)).toMatch(/not installed where this bundle runs.*startFleet\(\)/);
  });
});
