/** The documents of the repository, their code blocks, headings and links. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(__dirname, '../..');

/** The documents that a user reads. */
export const DOCUMENTS = [
  'README.md',
  'README.ko.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

export function read(document: string): string {
  return readFileSync(join(ROOT, document), 'utf8');
}

export interface CodeBlock {
  readonly document: string;
  /** The line of the document in which its code begins, from 1. */
  readonly line: number;
  readonly language: string;
  /** Without the indent that a block in a list has. */
  readonly code: string;
}

export function codeBlocks(document: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open: { indent: string; language: string; line: number; lines: string[] } | undefined;
  read(document)
    .split('\n')
    .forEach((text, index) => {
      const [, indent = '', language = ''] = /^( *)```(\w*)$/.exec(text) ?? [];
      if (!text.trimStart().startsWith('```')) {
        open?.lines.push(text.startsWith(open.indent) ? text.slice(open.indent.length) : text);
      } else if (open) {
        blocks.push({
          document,
          line: open.line,
          language: open.language,
          code: `${open.lines.join('\n')}\n`,
        });
        open = undefined;
      } else {
        open = { indent, language, line: index + 2, lines: [] };
      }
    });
  return blocks;
}

/** The code of the TypeScript blocks of a document. */
export function typescriptBlocks(document: string): string[] {
  return codeBlocks(document).flatMap(({ language, code }) => (language === 'ts' ? [code] : []));
}

/** The document without its code blocks, in which a `#` is not a heading. */
export function prose(document: string): string {
  return read(document).replace(/^( *)```[\s\S]*?^\1```$/gm, '');
}

/** The anchors that GitHub gives the headings of a document. */
export function anchors(document: string): string[] {
  const seen = new Map<string, number>();
  return [...prose(document).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => {
    const slug = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M} _-]/gu, '')
      .replaceAll(' ', '-');
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    return count === 0 ? slug : `${slug}-${count}`;
  });
}
