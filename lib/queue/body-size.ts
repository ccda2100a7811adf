const BYTES_PER_VALUE = 8;
/** Counting stops after this many values: no API takes a body with more, and counting them takes a few milliseconds. */
const MAX_VALUES = 1_000_000;

/**
 * An estimate of the bytes that a parsed JSON body holds in memory: the lengths of its strings and keys, and 8 bytes for
 * every value. It reads no characters, so a body with images of many megabytes takes microseconds. Not recursive,
 * because the caller determines the depth.
 */
export function estimateBodyBytes(body: unknown): number {
  let bytes = 0;
  let values = 0;
  const unread: object[] = [];
  const count = (value: unknown): void => {
    bytes += BYTES_PER_VALUE;
    values += 1;
    if (typeof value === 'string') bytes += value.length;
    else if (typeof value === 'object' && value !== null) unread.push(value);
  };
  count(body);
  for (let next = unread.pop(); next !== undefined && values < MAX_VALUES; next = unread.pop()) {
    if (Array.isArray(next)) {
      for (const item of next as unknown[]) count(item);
    } else if (ArrayBuffer.isView(next)) {
      bytes += next.byteLength;
    } else {
      for (const key in next) {
        bytes += key.length;
        count((next as Record<string, unknown>)[key]);
      }
    }
  }
  return bytes;
}
