import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

const ROOT = resolve(__dirname, '../..');
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bundle-'));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const APP = `
  import { startProvider } from ${JSON.stringify(join(ROOT, 'lib/simulator/index.ts'))};
  const provider = await startProvider({ timeScale: 0, errorShare: 0 });
  const response = await fetch(provider.url + '/models');
  console.log(response.status);
  await provider.close();
`;

it('an app that uses the simulator runs from one file, as bundlers write it', async () => {
  const entry = join(folder, 'app.mts');
  const outfile = join(folder, 'app.mjs');
  writeFileSync(entry, APP);
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'silent',
  });
  expect(execFileSync(process.execPath, [outfile], { encoding: 'utf8', timeout: 30_000 }).trim()).toBe('200');
});
