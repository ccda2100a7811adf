import { readFileSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { BalancerConfig } from '../index';
import { isObject } from '../util/is-object';
import { UsageError } from './usage-error';

const MODULES = ['.js', '.mjs', '.cjs'];
const TYPESCRIPT = ['.ts', '.mts', '.cts'];

/** Loads a configuration file. Rejects with a UsageError that says what is wrong with the file. */
export async function loadConfig(file: string): Promise<BalancerConfig> {
  const path = resolve(file);
  const value = extname(path) === '.json' ? readJson(file, path) : await importModule(file, path);
  if (typeof value !== 'object' || value === null || !('endpoints' in value)) {
    throw new UsageError(
      `${file}: expected a BalancerConfig, an object with endpoints, as the default export or as 'config'`,
    );
  }
  return value as BalancerConfig;
}

function readJson(file: string, path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw unreadableFileError(file, error);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${file}: not JSON: ${(error as Error).message}`);
  }
}

async function importModule(file: string, path: string): Promise<unknown> {
  const isTypeScript = TYPESCRIPT.includes(extname(path));
  if (!isTypeScript && !MODULES.includes(extname(path))) {
    throw new UsageError(
      `${file}: expected a file ending in ${[...MODULES, ...TYPESCRIPT, '.json'].join(', ')}`,
    );
  }
  let loaded: Record<string, unknown>;
  try {
    const url = pathToFileURL(path).href;
    loaded = (await (isTypeScript ? importTypeScript(url) : import(url))) as Record<string, unknown>;
  } catch (error) {
    throw unreadableFileError(file, error);
  }
  return configIn(loaded);
}

/**
 * Imports a TypeScript module with Node itself if it can strip types (22.18 and later), otherwise with tsx if
 * installed.
 */
async function importTypeScript(url: string): Promise<unknown> {
  if ((process.features as { typescript?: unknown }).typescript) return import(url);
  const tsx = await import('tsx/esm/api').catch(() => undefined);
  if (!tsx) throw new Error('TypeScript needs Node 22.18 or the package tsx: npm install tsx');
  return tsx.tsImport(url, import.meta.url);
}

/**
 * Finds the configuration among the exports of a module; returns the exports themselves if there is none. A CommonJS
 * module is imported as the default export; if it was compiled from an ES module, its own default export is nested in
 * that.
 */
export function configIn(exported: Record<string, unknown>): unknown {
  const [inner] = [exported.default, exported.config].filter(isObject);
  if (!inner) return exported;
  return 'endpoints' in inner ? inner : configIn(inner);
}

function unreadableFileError(file: string, error: unknown): UsageError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new UsageError(
    code === 'ENOENT' ? `${file}: no such file` : `${file}: could not be loaded: ${message}`,
  );
}
