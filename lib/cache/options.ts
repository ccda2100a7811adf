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
  get?: CacheStore['get'] | undefined;
  /** Writes to the application's own store. Requires `get`. */
  set?: CacheStore['set'] | undefined;
  /**
   * Which calls are cached unless their own option `cache` says otherwise. 'deterministic': embeddings, and chat calls
   * with `temperature: 0` or a `seed`, whose answers would be the same again. 'all': every chat and embeddings call.
   * Default 'deterministic'.
   */
  calls?: 'deterministic' | 'all' | undefined;
  /** How long an answer is served, in milliseconds. Default 3,600,000 (an hour). */
  ttlMs?: number | undefined;
  /**
   * How much longer an answer is served, in milliseconds, to calls that no endpoint can answer, in an outage or for
   * lack of quota before the deadline. Default 0.
   */
  staleIfErrorMs?: number | undefined;
  /** Size of the cache in memory, in bytes; the least recently used answer is evicted first. Default 67,108,864 (64 MiB). */
  maxBytes?: number | undefined;
  /** Whether answers are stored in the cluster's Redis instead of in memory. Needs `cluster`. Default false. */
  redis?: boolean | undefined;
}

/** Cache options with every default filled in. */
export interface ResolvedCacheOptions {
  readonly calls: 'deterministic' | 'all';
  readonly ttlMs: number;
  readonly staleIfErrorMs: number;
  readonly maxBytes: number;
  readonly redis: boolean;
  /** The application's own store; undefined if it has none. */
  readonly store: CacheStore | undefined;
}
