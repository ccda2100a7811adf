import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express5, { type Express } from 'express';

// The types of Express 4 are not installed; the parts used here are the same in both versions.
// eslint-disable-next-line @typescript-eslint/no-require-imports
const express4 = require('express4') as typeof express5;

export const EXPRESS_VERSIONS: [version: string, express: typeof express5][] = [
  ['4', express4],
  ['5', express5],
];

/** Serves apps on loopback ports until the end of the test. */
export class TestServer {
  readonly #servers: Server[] = [];

  constructor() {
    afterEach(() => this.close());
  }

  async listen(app: Express): Promise<string> {
    const server = createServer(app);
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const server of this.#servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }
}

export async function post(url: string, headers: Record<string, string> = {}, body: unknown = {}) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: answer.status, headers: answer.headers, text, json };
}
