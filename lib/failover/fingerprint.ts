import { createHash } from 'node:crypto';
import type { Call } from '../call/call';

/** A digest of what a call asks for; undefined for a body that no JSON can say. No prompt is kept. */
export function fingerprint({ operation, body }: Call, more: readonly unknown[] = []): string | undefined {
  try {
    const text = JSON.stringify([operation, body, ...more]);
    return createHash('sha256').update(text).digest('base64');
  } catch {
    return undefined;
  }
}
