const BYTES_PER_VALUE = 8;
/** Bodies nested deeper than this are refused before they get here. */
const MAX_DEPTH = 512;

/**
 * A cheap estimate of the bytes that a parsed JSON body holds in memory: the lengths of its strings and keys, and 8 bytes
 * for every other value. It reads no characters, so a body with images of many megabytes takes microseconds.
 */
export function estimateBodyBytes(value: unknown, depth = 0): number {
  if (typeof value === 'string') return value.length + BYTES_PER_VALUE;
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return BYTES_PER_VALUE;
  if (ArrayBuffer.isView(value)) return value.byteLength;
  let bytes = BYTES_PER_VALUE;
  if (Array.isArray(value)) {
    // An embedding input may be millions of token numbers.
    if (typeof value[0] === 'number') return bytes + value.length * BYTES_PER_VALUE;
    for (const item of value as unknown[]) bytes += estimateBodyBytes(item, depth + 1);
    return bytes;
  }
  for (const [key, item] of Object.entries(value)) {
    bytes += key.length + estimateBodyBytes(item, depth + 1);
  }
  return bytes;
}
