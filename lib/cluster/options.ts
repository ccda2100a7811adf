/** What goes on while Redis doesn't answer. */
export type OutageMode = 'local-share' | 'open' | 'closed';

/** An ioredis `Redis` or `Cluster`. It is duplicated, never used or closed itself. */
export interface RedisConnection {
  readonly status: string;
  duplicate(...args: never[]): unknown;
}

/** The usual options of an ioredis client; ioredis knows more, and all of them are passed on. */
export interface RedisOptions {
  host?: string;
  port?: number;
  /** A unix socket. */
  path?: string;
  username?: string;
  password?: string;
  db?: number;
  /** 4, 6, or 0 for both. */
  family?: number;
  tls?: object;
  sentinels?: { host?: string; port?: number }[];
  /** The master's name, with sentinels. */
  name?: string;
  keyPrefix?: string;
  connectionName?: string;
  connectTimeout?: number;
}

/** Many processes, one balancer. */
export interface ClusterOptions {
  /** A URL, the options of an ioredis client, or a `Redis` or `Cluster` of the app's, of which duplicates are made. */
  redis: string | RedisOptions | RedisConnection;
  /** Processes with the same prefix share their quotas. Default 'ai-balancer'. */
  prefix?: string;
  /**
   * While Redis doesn't answer: 'local-share' (default) goes on with limit / processes last seen, 'open' with the whole
   * limit for each process, 'closed' lets nothing start until Redis is back.
   */
  onOutage?: OutageMode;
}

/** How quotas are kept: 'shared' in Redis, or as `onOutage` says; 'starting' until Redis has first answered or failed. */
export type ClusterMode = 'starting' | 'shared' | OutageMode;
