/** An object of which nothing is known. */
export type Fields = Readonly<Record<string, unknown>>;

/** Whether a value is an object that is not null and not an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
