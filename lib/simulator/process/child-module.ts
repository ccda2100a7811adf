import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGE = 'express-ai-balancer';

/**
 * Finds the module that the child process runs, and Node's options for it: in the sources child.ts, which needs the
 * TypeScript loader; in the package simulator-child.cjs or .mjs next to this module. If this module is part of a
 * bundle, it uses the module of the installed package instead.
 *
 * @throws Error that says what to do if the package is not installed.
 */
export function findChildModule(): { readonly file: string; readonly execArgv: string[] } {
  const here = ownFile();
  if (here !== undefined && extname(here) === '.ts')
    return { file: join(dirname(here), 'child.ts'), execArgv: ['--import', 'tsx'] };
  const name = `simulator-child${here !== undefined && extname(here) === '.cjs' ? '.cjs' : '.mjs'}`;
  const beside = here === undefined ? [] : [join(dirname(here), name)];
  const installed = [here, join(process.cwd(), 'index.js')].flatMap((from) => packageFolder(from) ?? []);
  const candidates = [...beside, ...installed.map((folder) => join(folder, 'dist', name))];
  const file = candidates.find((candidate) => existsSync(candidate));
  if (file !== undefined) return { file, execArgv: [] };
  throw new Error(
    `startFleetProcess() runs a module of ${PACKAGE} in a child process, and ${PACKAGE} is not installed where this bundle ` +
      `runs: install it there, or use startFleet(), which runs the providers in this process`,
  );
}

/** Path of this module; undefined if a bundler provides none, as esbuild does in CommonJS output. */
function ownFile(): string | undefined {
  const url = import.meta.url as string | undefined;
  return url?.startsWith('file:') ? fileURLToPath(url) : undefined;
}

function packageFolder(from: string | undefined): string | undefined {
  if (from === undefined) return undefined;
  try {
    return dirname(createRequire(from).resolve(`${PACKAGE}/package.json`));
  } catch {
    return undefined;
  }
}
