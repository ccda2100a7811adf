import { createHash } from 'node:crypto';
import { isObject } from '../../util/is-object';

/**
 * An id of a tool call that a provider accepts: the same if it fits, else one derived from it. The call and its result
 * get the same id, so a conversation that one provider has begun can be continued by another.
 *
 * @param fits what the provider accepts
 * @param length of a derived id, in characters
 */
export function portableId(id: string, fits: RegExp, length: number): string {
  if (fits.test(id)) return id;
  return createHash('sha256').update(id).digest('hex').slice(0, length);
}

/** The arguments of a tool call as an object. A model may have written what is not one: then as its only member. */
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
