import { ExpiringCache } from '../util/expiring-cache';
import type { CacheStore } from './options';

/** Bytes that a key and its entry take beside the value, roughly. */
const ENTRY_BYTES = 200;

/** Answers in memory: each until it expires, together at most `maxBytes`. */
export function createMemoryStore(maxBytes: number): CacheStore {
  // A string takes one byte per character in memory, or two if one of them needs it.
  const sizeOf = (value: string): number => ENTRY_BYTES + 2 * value.length;
  return new ExpiringCache<string>({ maxSize: maxBytes, sizeOf });
}
