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
  /** Host of Redis. Default 'localhost'. */
  host?: string | undefined;
  /** Port of Redis. Default 6379. */
  port?: number | undefined;
  /** Path of a Unix socket, instead of host and port. */
  path?: string | undefined;
  /** User of Redis 6 ACLs. Default: the default user. */
  username?: string | undefined;
  /** Password of the user. Default: none. */
  password?: string | undefined;
  /** The number of the database. Default 0. */
  db?: number | undefined;
  /** The IP version: 4, 6, or 0 for both. */
  family?: number | undefined;
  /** Options of `tls.connect()`. Default: no TLS. */
  tls?: object | undefined;
  /** Sentinels to ask for the master, instead of host and port. */
  sentinels?:
    | {
        /** Host of the sentinel. Default 'localhost'. */
        host?: string | undefined;
        /** Port of the sentinel. Default 26379. */
        port?: number | undefined;
      }[]
    | undefined;
  /** The name of the master, with `sentinels`. */
  name?: string | undefined;
  /** Prefix that ioredis adds to every key. Prefer the option `prefix` of `cluster`. */
  keyPrefix?: string | undefined;
  /** Name of the connection in CLIENT LIST. */
  connectionName?: string | undefined;
}

/** Options of `cluster`, with which several processes share one quota. */
export interface ClusterOptions {
  /** A URL, the options of an ioredis client, or a `Redis` or `Cluster` of the application, which is duplicated. */
  redis: string | RedisOptions | RedisConnection;
  /** The first part of all keys in Redis. Processes with the same prefix share their quotas. Default 'ai-balancer'. */
  prefix?: string | undefined;
  /**
   * What a process does while Redis is unreachable. 'local-share': it uses the limit divided by the number of processes
   * last seen. 'open': it uses the whole limit. 'closed': no call starts. Default 'local-share'.
   */
  onOutage?: OutageMode | undefined;
}

/**
 * How quotas are kept at the moment: 'starting' until Redis has answered or is known to be unreachable, 'shared' in
 * Redis, or in the mode of {@link ClusterOptions.onOutage}.
 */
export type ClusterMode = 'starting' | 'shared' | OutageMode;
