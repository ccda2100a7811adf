import { existsSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(__dirname, '../../scripts/runtimes/node_modules');

/** Where scripts/runtimes/package.json installs each, and how it runs a script. */
const RUNTIMES = {
  'Node.js 22': ['node-22/bin/node'],
  'Node.js 24': ['node-24/bin/node'],
  Bun: ['bun-linux-x64/bin/bun'],
  Deno: ['deno-linux-x64/deno', 'run', '--allow-all', '--node-modules-dir=manual', '--no-lock'],
  'TypeScript 5.4': ['typescript-5.4/bin/tsc'],
  'TypeScript 7': ['typescript-7/bin/tsc'],
} as const satisfies Record<string, readonly [file: string, ...args: string[]]>;

export type Runtime = keyof typeof RUNTIMES;

export interface FoundRuntime {
  readonly file: string;
  readonly args: readonly string[];
}

/** Undefined if it is not installed. */
export function findRuntime(name: Runtime): FoundRuntime | undefined {
  const [path, ...args] = RUNTIMES[name];
  const file = join(FOLDER, path);
  return existsSync(file) ? { file, args } : undefined;
}

export function missingRuntimes(): Runtime[] {
  return (Object.keys(RUNTIMES) as Runtime[]).filter((name) => findRuntime(name) === undefined);
}

/** What npm carries of them is for this platform only. */
export const HAS_RUNTIMES = process.platform === 'linux' && process.arch === 'x64';
