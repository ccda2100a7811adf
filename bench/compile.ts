import { basename, join } from 'node:path';
import { build, type Plugin } from 'esbuild';

const ROOT = join(__dirname, '..');

const BUILT_PACKAGE: Plugin = {
  name: 'built package',
  setup({ onResolve }) {
    onResolve({ filter: /\/lib$/ }, () => ({ path: 'express-ai-balancer', external: true }));
  },
};

/**
 * Compiles a file of the benches and returns the path of the result. What is measured runs compiled, as an app does: the
 * loader for TypeScript wraps every function when it is created, which makes a call a fifth more expensive.
 *
 * @param options.builtPackage Whether the index of lib is the built package in dist. Otherwise lib is compiled too.
 */
export async function compile(file: string, { builtPackage = false } = {}): Promise<string> {
  const outfile = join(ROOT, 'dist/bench', `${basename(file, '.ts')}.mjs`);
  await build({
    entryPoints: [file],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    target: 'node20',
    format: 'esm',
    logLevel: 'error',
    plugins: builtPackage ? [BUILT_PACKAGE] : [],
  });
  return outfile;
}
