import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DashboardSettings } from './options';

/** A file that the page loads. */
export interface PageFile {
  readonly type: string;
  readonly body: Buffer;
}

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Reads all files of the page except its HTML, by name. */
export function readPageFiles(): ReadonlyMap<string, PageFile> {
  const folder = pageFolder();
  return new Map(
    readdirSync(folder).flatMap((name) => {
      const type = TYPES[extname(name)];
      return type === undefined ? [] : [[name, { type, body: readFileSync(new URL(name, folder)) }] as const];
    }),
  );
}

/** Returns the HTML of the page. */
export function readPage({ title, extension }: Pick<DashboardSettings, 'title' | 'extension'>): string {
  const html = readFileSync(new URL('index.html', pageFolder()), 'utf8');
  const links = [
    extension?.style === undefined ? '' : `<link rel="stylesheet" href="${extension.style}">`,
    extension === undefined ? '' : `<script type="module" src="${extension.script}"></script>`,
  ];
  return html.replaceAll('{{title}}', escapeHtml(title)).replace('<!-- extension -->', links.join(''));
}

/**
 * Returns the folder of the files: `page/` next to this module in the sources, `dashboard/` next to the package's
 * bundle.
 */
function pageFolder(): URL {
  // `import.meta.url` is undefined in the CommonJS bundle.
  const here = import.meta.url as string | undefined;
  const folder = here && new URL(here.endsWith('.ts') ? './page/' : './dashboard/', here);
  if (folder && existsSync(folder)) return folder;
  const place = folder ? ` at ${fileURLToPath(folder)}` : '';
  throw new Error(
    `The files of the dashboard are missing${place}: if your server is bundled, keep express-ai-balancer external to the bundle.`,
  );
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
