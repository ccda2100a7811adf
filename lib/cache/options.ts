/** A store of the app's own. A call that it fails, or that takes longer than 250 ms, goes to an endpoint. */
export interface CacheStore {
  /** The value of a key, or undefined or null. */
  get(key: string): string | null | undefined | Promise<string | null | undefined>;
  /** Keeps a value for `ttlMs` milliseconds. */
  set(key: string, value: string, ttlMs: number): unknown;
}

/** The response cache: equal calls of one tenant are answered without an endpoint. */
export interface CacheOptions {
  /** Together with `set`: reads from a store of the app's own, see `CacheStore`. Default: the cache in memory. */
  get?: CacheStore['get'];
  /** Together with `get`: writes to that store. */
  set?: CacheStore['set'];
  /** How long an answer is served, in milliseconds. Default 3,600,000 (an hour). */
  ttlMs?: number;
  /**
   * How much longer it is served, in milliseconds, if no endpoint can answer: in an outage, or without quota before the
   * deadline. Default 0.
   */
  staleIfErrorMs?: number;
  /** Size of the cache in memory, in bytes; the least recently used answer is evicted first. Default 67,108,864 (64 MiB). */
  maxBytes?: number;
  /** True keeps the answers in the cluster's Redis rather than in memory. Needs `cluster`. Default false. */
  redis?: boolean;
}

/** Cache options with every default filled in. */
export interface ResolvedCacheOptions {
  readonly ttlMs: number;
  readonly staleIfErrorMs: number;
  readonly maxBytes: number;
  readonly redis: boolean;
  /** The app's own store, if it has one. */
  readonly store: CacheStore | undefined;
}
