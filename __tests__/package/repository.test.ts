import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, parseDocument } from 'yaml';

const ROOT = join(__dirname, '../..');

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

test('CHANGELOG.md contains the version of package.json and a link for every version', () => {
  const { version } = JSON.parse(read('package.json')) as { version: string };
  const changelog = read('CHANGELOG.md');
  const headings = changelog.matchAll(/^## \[([^\]]+)\](?: - \d{4}-\d{2}-\d{2})?$/gm);
  const versions = [...headings].map(([, name]) => name!);
  expect(versions).toEqual(expect.arrayContaining(['Unreleased', version]));
  for (const name of versions) expect(changelog).toContain(`\n[${name}]: https://`);
});

test('the workflow and the issue forms in .github are valid YAML, and the workflow runs .ci/run and the tests', () => {
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

test('every dependency with an install script is allowed or denied by name, so that npm install prints no warning', () => {
  const lock = JSON.parse(read('package-lock.json')) as {
    packages: Record<string, { hasInstallScript?: boolean }>;
  };
  const withScripts = Object.entries(lock.packages)
    .filter(([path, { hasInstallScript }]) => path !== '' && hasInstallScript)
    .map(([path]) => path.replace(/^.*node_modules\//, ''));
  const { allowScripts } = JSON.parse(read('package.json')) as { allowScripts: Record<string, boolean> };
  expect(Object.keys(allowScripts).sort()).toEqual([...new Set(withScripts)].sort());
});

test("npm pack reduces package.json, makes the README's links absolute and restores both, even after an interrupted run", () => {
  const folder = mkdtempSync(join(tmpdir(), 'packed-files-'));
  try {
    const files = ['README.ko.md', 'README.md', 'package.json'];
    for (const file of files) writeFileSync(join(folder, file), read(file));
    const textOf = (file: string) => readFileSync(join(folder, file), 'utf8');
    const run = (argument: string) =>
      execFileSync(process.execPath, [join(ROOT, 'scripts/packed-files.mjs'), argument], { cwd: folder });
    run('change');
    run('change');
    const {
      scripts,
      devDependencies: _dev,
      allowScripts: _allowed,
      ...fields
    } = JSON.parse(read('package.json')) as {
      scripts: Record<string, string>;
    } & Record<string, unknown>;
    const { prepare: _prepare, ...others } = scripts;
    expect(JSON.parse(textOf('package.json'))).toEqual({ ...fields, scripts: others });
    expect(textOf('README.md')).toContain(`/blob/v${String(fields.version)}/docs/getting-started.md)`);
    // Edited after an interrupted pack: the edit is the original.
    writeFileSync(join(folder, 'README.md'), '[cache](docs/cache.md)');
    run('change');
    run('restore');
    for (const file of ['README.ko.md', 'package.json']) expect(textOf(file)).toBe(read(file));
    expect(textOf('README.md')).toBe('[cache](docs/cache.md)');
    expect(readdirSync(folder).sort()).toEqual(files);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
