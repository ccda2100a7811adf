import { createHash } from 'node:crypto';

/**
 * Identifies an account at a provider, so that apps with the same prefix and endpoint names share only what is really
 * one account. 48 bits of a hash: an API key can't be recovered from it. A key that is given as a function is left out,
 * since it may change at any time.
 */
export function accountHash(baseURL: string, apiKey: unknown, model = ''): string {
  const key = typeof apiKey === 'string' ? apiKey : '';
  return createHash('sha256')
    .update(JSON.stringify([baseURL, key, model]))
    .digest('base64url')
    .slice(0, 8);
}
