import { createHash } from 'node:crypto';
import type { Call } from './call';

/**
 * A digest of the call's operation and body, which is kept instead of the prompt; undefined for a body that is not
 * JSON.
 * @param more Further values that the digest depends on.
 */
export function fingerprint(
  { operation, body, responses }: Call,
  more: readonly unknown[] = [],
): string | undefined {
  try {
    const text = JSON.stringify([operation, body, responses?.body, ...more]);
    return createHash('sha256').update(text).digest('base64');
  } catch {
    return undefined;
  }
}
