import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '../..');
const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

function read(document: string): string {
  return readFileSync(join(ROOT, document), 'utf8');
}

test.each(DOCUMENTS)('every file and folder of the repository that %s names exists', (document) => {
  const names = [...read(document).matchAll(/`((?:lib|bench|examples|scripts|__tests__)\/[\w./-]*)`/g)];
  const missing = names.map(([, name]) => name!).filter((name) => !existsSync(join(ROOT, name)));
  expect(missing).toEqual([]);
});

test.each(DOCUMENTS)('every relative link in %s leads to a file', (document) => {
  const links = [...read(document).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)];
  const missing = links
    .map(([, link]) => link!)
    .filter((link) => !existsSync(join(ROOT, document, '..', link)));
  expect(missing).toEqual([]);
});

test('docs/architecture.md lists every folder of lib', () => {
  const folders = readdirSync(join(ROOT, 'lib')).filter((name) =>
    statSync(join(ROOT, 'lib', name)).isDirectory(),
  );
  const listed = [...read('docs/architecture.md').matchAll(/^\| `(\w+)\/` \|/gm)].map(([, name]) => name);
  expect(listed.sort()).toEqual(folders.sort());
});
