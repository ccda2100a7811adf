import { transformSync } from '@swc/core';
import * as library from 'express-ai-balancer';
import { freePortExpress } from './free-port-express';

export interface RunningExample {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Runs an app from a document unchanged, except that every preset calls `providerUrl` and the app listens on a free
 * port. Resolves once it listens.
 */
export async function runExample(code: string, providerUrl: string): Promise<RunningExample> {
  const { code: script } = transformSync(code, {
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'commonjs' },
  });
  const { express, listening } = freePortExpress();
  const preset =
    <T extends object>(make: (options: T) => unknown) =>
    (options: T) =>
      make({ ...options, apiKey: 'simulated', baseURL: providerUrl });
  const modules: Record<string, unknown> = {
    'express-ai-balancer': {
      ...library,
      holysheep: preset(library.holysheep),
      openai: preset(library.openai),
    },
    express,
  };
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the code is from our own documents
  const run = new Function('require', 'exports', 'process', script) as (...args: unknown[]) => void;
  run((name: string) => modules[name], {}, { ...process, env: {} });
  const { server, url } = await listening();
  return {
    url,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
