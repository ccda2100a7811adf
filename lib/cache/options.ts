/** A store provided by the application. If it fails or takes longer than 250 ms, the call is sent to an endpoint. */
export interface CacheStore {
  /** Returns the value of a key; undefined or null if there is none. */
  get(key: string): string | null | undefined | Promise<string | null | undefined>;
  /** Stores a value for `ttlMs` milliseconds. */
  set(key: string, value: string, ttlMs: number): unknown;
}

/** Options of the response cache, which answers equal calls of one tenant without an endpoint. */
export interface CacheOptions {
  /** Reads from the application's own store, see `CacheStore`. Requires `set`. Default: a cache in memory. */
  get?: CacheStore['get'];
  /** Writes to the application's own store. Requires `get`. */
  set?: CacheStore['set'];
  /** How long an answer is served, in milliseconds. Default 3,600,000 (an hour). */
  ttlMs?: number;
  /**
   * How much longer an answer is served, in milliseconds, to calls that no endpoint can answer, in an outage or for
   * lack of quota before the deadline. Default 0.
   */
  staleIfErrorMs?: number;
  /** Size of the cache in memory, in bytes; the least recently used answer is evicted first. Default 67,108,864 (64 MiB). */
  maxBytes?: number;
  /** Whether answers are stored in the cluster's Redis instead of in memory. Needs `cluster`. Default false. */
  redis?: boolean;
}

/** Cache options with every default filled in. */
export interface ResolvedCacheOptions {
  readonly ttlMs: number;
  readonly staleIfErrorMs: number;
  readonly maxBytes: number;
  readonly redis: boolean;
  /** The application's own store; undefined if it has none. */
  readonly store: CacheStore | undefined;
}
