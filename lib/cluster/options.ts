/** What a process does while Redis is unreachable. See {@link ClusterOptions.onOutage}. */
export type OutageMode = 'local-share' | 'open' | 'closed';

/** An ioredis `Redis` or `Cluster` of the application. The balancer duplicates it, and never uses or closes it. */
export interface RedisConnection {
  /** State of the connection, such as 'ready'. */
  readonly status: string;
  /** Creates a client with the same options. */
  duplicate(...args: never[]): unknown;
}

/** The usual options of an ioredis client. All other ioredis options are passed on as well. */
export interface RedisOptions {
  /** Default 'localhost'. */
  host?: string;
  /** Default 6379. */
  port?: number;
  /** Path of a Unix socket, instead of host and port. */
  path?: string;
  /** User of Redis 6 ACLs. Default: the default user. */
  username?: string;
  /** Default: none. */
  password?: string;
  /** The number of the database. Default 0. */
  db?: number;
  /** The IP version: 4, 6, or 0 for both. */
  family?: number;
  /** Options of `tls.connect()`. Default: no TLS. */
  tls?: object;
  /** Sentinels to ask for the master, instead of host and port. */
  sentinels?: {
    /** Default 'localhost'. */
    host?: string;
    /** Default 26379. */
    port?: number;
  }[];
  /** The name of the master, with `sentinels`. */
  name?: string;
  /** Prefix that ioredis adds to every key. Prefer the option `prefix` of `cluster`. */
  keyPrefix?: string;
  /** Name of the connection in CLIENT LIST. */
  connectionName?: string;
}

/** Options of `cluster`, with which several processes share one quota. */
export interface ClusterOptions {
  /** A URL, the options of an ioredis client, or a `Redis` or `Cluster` of the application, which is duplicated. */
  redis: string | RedisOptions | RedisConnection;
  /** The first part of all keys in Redis. Processes with the same prefix share their quotas. Default 'ai-balancer'. */
  prefix?: string;
  /**
   * What a process does while Redis is unreachable. 'local-share': it uses the limit divided by the number of processes
   * last seen. 'open': it uses the whole limit. 'closed': no call starts. Default 'local-share'.
   */
  onOutage?: OutageMode;
}

/**
 * How quotas are kept at the moment: 'starting' until Redis has answered or is known to be unreachable, 'shared' in
 * Redis, or in the mode of {@link ClusterOptions.onOutage}.
 */
export type ClusterMode = 'starting' | 'shared' | OutageMode;
