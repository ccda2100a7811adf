import { manifest, PackedPackage } from './packed';

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
    const others = files.filter((name) => !/^dist\/[\w-]+\.(cjs|mjs|d\.cts|d\.mts)$/.test(name));
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
      const foreign = wanted.filter(
        (name) => !name.startsWith('node:') && name !== 'url' && !declared.has(name),
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
  });

  it.each(['commonjs', 'module'] as const)('can use it from TypeScript that becomes %s', async (type) => {
    const project = await packed.consumer(type, ['@types/node', '@types/express']);
    expect(await project.compile('typed.ts', 'node20')).toBe('');
    expect(await project.node('typed.js')).toBe('typed works');
  });
});
