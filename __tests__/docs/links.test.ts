import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { AiBalancerError, type AiBalancerErrorCode } from 'express-ai-balancer';
import { anchors, codeBlocks, DOCUMENTS, prose, ROOT, read } from './documents';

const EVERY_DOCUMENT = [
  ...DOCUMENTS,
  ...readdirSync(ROOT).filter((name) => name.endsWith('.md') && !DOCUMENTS.includes(name)),
];

/** Links and pictures of a document that lead into the repository, as paths from its root and anchors. */
function linksOf(document: string): { path: string; anchor: string | undefined }[] {
  return [...prose(document).matchAll(/\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)/g)].map(
    ([, path, anchor]) => ({
      path: path ? normalize(join(dirname(document), path)) : document,
      anchor,
    }),
  );
}

test.each(EVERY_DOCUMENT)('%s names only files and folders of the repository that exist', (document) => {
  const names = [...read(document).matchAll(/`((?:lib|bench|examples|scripts|__tests__)\/[\w./-]*)`/g)];
  const missing = names.map(([, name]) => name!).filter((name) => !existsSync(join(ROOT, name)));
  expect(missing).toEqual([]);
});

test.each(EVERY_DOCUMENT)(
  'every link in %s leads to an existing file, and to an existing heading if it names one',
  (document) => {
    const broken = linksOf(document).filter(({ path, anchor }) => {
      if (!existsSync(join(ROOT, path))) return true;
      return anchor !== undefined && path.endsWith('.md') && !anchors(path).includes(anchor);
    });
    expect(broken).toEqual([]);
  },
);

test('docs/architecture.md lists every folder of lib', () => {
  const folders = readdirSync(join(ROOT, 'lib')).filter((name) =>
    statSync(join(ROOT, 'lib', name)).isDirectory(),
  );
  const listed = [...read('docs/architecture.md').matchAll(/^\| `(\w+)\/` \|/gm)].map(([, name]) => name);
  expect(listed.sort()).toEqual(folders.sort());
});

describe.each(['README.md', 'README.ko.md'])('%s', (readme) => {
  it('links to every page of docs', () => {
    const linked = linksOf(readme).map(({ path }) => path);
    expect(DOCUMENTS.filter((page) => page.startsWith('docs/') && !linked.includes(page))).toEqual([]);
  });

  it('contains only benchmark figures that are also in docs/performance.md', () => {
    const figures = prose(readme).match(/\$\d+\.\d{2}|\d+\.\d{2} ?%/g) ?? [];
    expect(figures.length).toBeGreaterThan(3);
    const known = read('docs/performance.md');
    expect(figures.filter((figure) => !known.includes(figure.replace(/[$ %]/g, '')))).toEqual([]);
  });
});

describe('README.ko.md', () => {
  const shapeOf = (document: string) => ({
    headings: [...prose(document).matchAll(/^(#+) /gm)].map(([, level]) => level),
    code: codeBlocks(document).map(({ language, code }) => ({ language, code })),
    // Its own link to the other language aside, and in whatever order a sentence has them.
    links: linksOf(document)
      .map(({ path, anchor }) => `${path}#${anchor ?? ''}`)
      .filter((link) => !link.startsWith('README'))
      .sort(),
    rows: [...prose(document).matchAll(/^\|.*\|$/gm)].length,
  });

  it('has the same sections, code, links and tables as README.md', () => {
    expect(shapeOf('README.ko.md')).toEqual(shapeOf('README.md'));
  });

  it('links to README.md at its top, and is linked at the top of README.md', () => {
    expect(read('README.md').slice(0, 200)).toContain('](README.ko.md)');
    expect(read('README.ko.md').slice(0, 200)).toContain('](README.md)');
  });
});

describe('The documentation of the error codes', () => {
  const source = readFileSync(join(ROOT, 'lib/errors.ts'), 'utf8');
  const codes = [...source.matchAll(/^ {2}\| '(ERR_AI_\w+)'/gm)].map(
    ([, code]) => code as AiBalancerErrorCode,
  );
  const { homepage, version } = JSON.parse(read('package.json')) as Record<'homepage' | 'version', string>;

  it('covers the more than ten codes in lib/errors.ts', () => {
    expect(codes.length).toBeGreaterThan(10);
  });

  it.each(codes)("has a section for %s, to which the error's help link points", (code) => {
    const help = new URL(new AiBalancerError(code, 'x').help);
    const [repository, page] = help.href.split('#')[0]!.split(`/blob/v${version}/`);
    expect(repository).toBe(homepage.split('#')[0]);
    expect(page).toBe('docs/troubleshooting.md');
    expect(prose(page!)).toMatch(new RegExp(`^### ${code}$`, 'm'));
    expect(anchors(page!)).toContain(help.hash.slice(1));
  });

  it('lists every error code in docs/errors.md, with a link to its section', () => {
    const listed = [
      ...read('docs/errors.md').matchAll(/^\| \[`(ERR_AI_\w+)`\]\(troubleshooting\.md#(\w+)\)/gm),
    ];
    expect(listed.map(([, code]) => code).sort()).toEqual([...codes].sort());
    expect(listed.map(([, code, anchor]) => [code, anchor])).toEqual(
      listed.map(([, code]) => [code, code?.toLowerCase()]),
    );
  });
});
