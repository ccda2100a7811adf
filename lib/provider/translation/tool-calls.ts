import { createHash } from 'node:crypto';
import { isObject } from '../../util/is-object';

/**
 * Returns a tool call id that the provider accepts: the same if it fits, otherwise one derived from it. A call and its
 * result get the same id, so a conversation that one provider has begun can be continued by another.
 *
 * @param fits pattern of the ids that the provider accepts
 * @param length length of a derived id, in characters
 */
export function portableId(id: string, fits: RegExp, length: number): string {
  if (fits.test(id)) return id;
  return createHash('sha256').update(id).digest('hex').slice(0, length);
}

/**
 * Parses the arguments of a tool call. Anything but a JSON object is returned as the member `arguments` of a new
 * object.
 */
export function parseArguments(text: unknown): Record<string, unknown> {
  if (isObject(text)) return text;
  if (typeof text !== 'string' || text.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : { arguments: value };
  } catch {
    return { arguments: text };
  }
}
