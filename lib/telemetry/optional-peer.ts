import { createRequire } from 'node:module';
import { configError } from '../config/config-errors';

/** An optional peer dependency; undefined if it is not installed. */
export function loadPeer(name: string): unknown {
  try {
    return createRequire(import.meta.url)(name);
  } catch {
    return undefined;
  }
}

/** @throws ERR_AI_CONFIG that names the package to install. */
export function requirePeer(name: string, user: string): unknown {
  const peer = loadPeer(name);
  if (peer !== undefined) return peer;
  const expected = `the package '${name}' (npm install ${name})`;
  throw configError([{ path: [user], expected, got: 'none: it is not installed' }]);
}
