const BYTES_PER_VALUE = 8;
/** Counting stops after this many values, more than any API takes. */
const MAX_VALUES = 1_000_000;

/**
 * An estimate of the bytes that a parsed JSON body holds in memory: the lengths of its strings and keys, and 8 bytes for
 * every value. It reads no characters, so a body with images of many megabytes takes microseconds. Not recursive,
 * because the caller determines the depth.
 */
export function estimateBodyBytes(body: unknown): number {
  let bytes = ownBytes(body);
  let values = 0;
  const unread: object[] = [];
  if (isContainer(body)) unread.push(body);
  for (let next = unread.pop(); next !== undefined && values < MAX_VALUES; next = unread.pop()) {
    if (Array.isArray(next)) {
      values += next.length;
      for (const item of next as unknown[]) {
        bytes += ownBytes(item);
        if (isContainer(item)) unread.push(item);
      }
    } else if (ArrayBuffer.isView(next)) {
      bytes += next.byteLength;
    } else {
      for (const key in next) {
        const value = (next as Record<string, unknown>)[key];
        values += 1;
        bytes += key.length + ownBytes(value);
        if (isContainer(value)) unread.push(value);
      }
    }
  }
  return bytes;
}

/** The estimated bytes of the value itself, without its items or properties. */
function ownBytes(value: unknown): number {
  return typeof value === 'string' ? BYTES_PER_VALUE + value.length : BYTES_PER_VALUE;
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
