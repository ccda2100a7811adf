import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { transformSync } from '@swc/core';
import express from 'express';
import * as library from 'express-ai-balancer';

/** The TypeScript code blocks of a document. */
export function codeBlocks(document: string): string[] {
  const text = readFileSync(join(__dirname, '../..', document), 'utf8');
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code ?? '');
}

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
  const servers: Server[] = [];
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
    express: Object.assign(
      () => {
        const app = express();
        const listen = () => {
          const server = createServer(app).listen(0, '127.0.0.1');
          servers.push(server);
          return server;
        };
        return Object.assign(app, { listen });
      },
      { json: express.json },
    ),
  };
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the code is from our own documents
  const run = new Function('require', 'exports', 'process', script) as (...args: unknown[]) => void;
  run((name: string) => modules[name], {}, { ...process, env: {} });
  const server = servers[0];
  if (!server) throw new Error('the example did not call listen()');
  if (!server.listening) await new Promise((resolve) => server.once('listening', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
