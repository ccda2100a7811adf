import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, parseDocument } from 'yaml';

const ROOT = join(__dirname, '../..');

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

test('CHANGELOG.md has the version of package.json, and a link for every version', () => {
  const { version } = JSON.parse(read('package.json')) as { version: string };
  const changelog = read('CHANGELOG.md');
  const headings = changelog.matchAll(/^## \[([^\]]+)\](?: - \d{4}-\d{2}-\d{2})?$/gm);
  const versions = [...headings].map(([, name]) => name!);
  expect(versions).toEqual(expect.arrayContaining(['Unreleased', version]));
  for (const name of versions) expect(changelog).toContain(`\n[${name}]: https://`);
});

test('the workflow and the issue forms of .github are YAML, and the workflow runs .ci/run and the tests', () => {
  const forms = ['bug', 'feature', 'config'].map((name) => `ISSUE_TEMPLATE/${name}.yml`);
  for (const file of ['workflows/ci.yml', ...forms])
    expect(parseDocument(read(`.github/${file}`)).errors).toEqual([]);
  const { jobs } = parse(read('.github/workflows/ci.yml')) as {
    jobs: Record<string, { steps: { run?: string }[]; strategy?: { matrix: { node: number[] } } }>;
  };
  const commands = Object.values(jobs).flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []));
  expect(commands).toEqual(expect.arrayContaining(['.ci/run', 'npm ci', 'npm test']));
  expect(jobs.test?.strategy?.matrix.node).toEqual([20, 22, 24]);
  expect(read('.github/ISSUE_TEMPLATE/bug.yml')).toContain('npx express-ai-balancer --version');
});

test('every dependency with an install script is denied or allowed by name, so that an install prints no warning', () => {
  const lock = JSON.parse(read('package-lock.json')) as {
    packages: Record<string, { hasInstallScript?: boolean }>;
  };
  const withScripts = Object.entries(lock.packages)
    .filter(([path, { hasInstallScript }]) => path !== '' && hasInstallScript)
    .map(([path]) => path.replace(/^.*node_modules\//, ''));
  const { allowScripts } = JSON.parse(read('package.json')) as { allowScripts: Record<string, boolean> };
  expect(Object.keys(allowScripts).sort()).toEqual([...new Set(withScripts)].sort());
});

test('npm pack leaves prepare, allowScripts and devDependencies out of package.json, and restores it, even after an interrupted one', () => {
  const folder = mkdtempSync(join(tmpdir(), 'manifest-'));
  try {
    const file = join(folder, 'package.json');
    const own = read('package.json');
    writeFileSync(file, own);
    const change = (argument: string) =>
      execFileSync(process.execPath, [join(ROOT, 'scripts/packed-manifest.mjs'), argument], { cwd: folder });
    change('reduce');
    change('reduce');
    const {
      scripts,
      devDependencies: _dev,
      allowScripts: _allowed,
      ...fields
    } = JSON.parse(own) as {
      scripts: Record<string, string>;
    } & Record<string, unknown>;
    const { prepare: _prepare, ...others } = scripts;
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ ...fields, scripts: others });
    change('restore');
    expect(readFileSync(file, 'utf8')).toBe(own);
    expect(readdirSync(folder)).toEqual(['package.json']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
