import { createRequire } from 'node:module';
import { configError } from '../config/config-errors';

/** Loads an optional peer dependency. Returns undefined if it is not installed. */
export function loadPeer(name: string): unknown {
  try {
    return createRequire(import.meta.url)(name);
  } catch {
    return undefined;
  }
}

/** Loads a peer dependency. @throws ERR_AI_CONFIG that names the package to install if it is missing. */
export function requirePeer(name: string, user: string): unknown {
  const peer = loadPeer(name);
  if (peer !== undefined) return peer;
  const expected = `the package '${name}' (npm install ${name})`;
  throw configError([{ path: [user], expected, got: 'none: it is not installed' }]);
}
