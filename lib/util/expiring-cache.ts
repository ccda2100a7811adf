export interface ExpiringCacheOptions<V> {
  /** Limit on the size of all values together, in the unit of `sizeOf`. */
  readonly maxSize: number;
  /** Default: no limit. */
  readonly maxEntries?: number;
  readonly sizeOf: (value: V) => number;
}

interface Entry<V> {
  readonly value: V;
  readonly size: number;
  readonly expiresAt: number;
}

/** Keeps values until they expire. If they become too many or too large, the least recently used is evicted first. */
export class ExpiringCache<V> {
  readonly #entries = new Map<string, Entry<V>>();
  readonly #options: ExpiringCacheOptions<V>;
  #size = 0;

  constructor(options: ExpiringCacheOptions<V>) {
    this.#options = options;
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.delete(key);
    if (performance.now() >= entry.expiresAt) return undefined;
    this.#add(key, entry);
    return entry.value;
  }

  /**
   * Stores a value. One that is larger than the whole cache is not kept, but still removes the earlier value of its
   * key.
   */
  set(key: string, value: V, ttlMs: number): void {
    this.delete(key);
    const { maxSize, maxEntries = Infinity, sizeOf } = this.#options;
    const size = sizeOf(value);
    if (size > maxSize) return;
    this.#add(key, { value, size, expiresAt: performance.now() + ttlMs });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= maxEntries && this.#size <= maxSize) break;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    this.#size -= this.#entries.get(key)?.size ?? 0;
    this.#entries.delete(key);
  }

  #add(key: string, entry: Entry<V>): void {
    this.#entries.set(key, entry);
    this.#size += entry.size;
  }
}
