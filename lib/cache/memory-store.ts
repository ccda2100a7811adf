import type { CacheStore } from './options';

interface Entry {
  readonly value: string;
  readonly expiresAt: number;
}

/** Bytes that a key and its entry take beside the value, roughly. */
const ENTRY_BYTES = 200;

/** Answers in memory: each until it expires, together at most `maxBytes`; the least recently used is evicted first. */
export class MemoryStore implements CacheStore {
  readonly #entries = new Map<string, Entry>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(key: string): string | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#delete(key);
    if (performance.now() >= entry.expiresAt) return undefined;
    this.#add(key, entry);
    return entry.value;
  }

  set(key: string, value: string, ttlMs: number): void {
    this.#delete(key);
    const entry = { value, expiresAt: performance.now() + ttlMs };
    if (bytesOf(entry) > this.#maxBytes) return;
    this.#add(key, entry);
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#delete(oldest);
    }
  }

  #add(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#bytes += bytesOf(entry);
  }

  #delete(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#bytes -= bytesOf(entry);
    this.#entries.delete(key);
  }
}

/** A string takes one byte per character in memory, or two if one of them needs it. */
function bytesOf({ value }: Entry): number {
  return ENTRY_BYTES + 2 * value.length;
}
