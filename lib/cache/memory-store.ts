import { ExpiringCache } from '../util/expiring-cache';
import type { CacheStore } from './options';

/** Approximate size of a key and its entry without the value, in bytes. */
const ENTRY_BYTES = 200;

/** Stores answers in memory until they expire, at most `maxBytes` bytes in total. */
export function createMemoryStore(maxBytes: number): CacheStore {
  // A string takes one byte of memory per character, or two if any of its characters needs two.
  const sizeOf = (value: string): number => ENTRY_BYTES + 2 * value.length;
  return new ExpiringCache<string>({ maxSize: maxBytes, sizeOf });
}
