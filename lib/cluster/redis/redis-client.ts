import type { Cluster, Redis } from 'ioredis';
import { AiBalancerError } from '../../errors';
import type { ClusterOptions, RedisConnection } from '../options';

/** A client of our own, to one server or to a Redis Cluster. */
export type Client = Redis | Cluster;

/** The longest pause between two tries to connect, in milliseconds. */
const MAX_RETRY_MS = 500;
const CONNECT_TIMEOUT_MS = 2_000;
/** A Redis that hangs keeps the process alive for so long after the end, in milliseconds; ioredis would take 2 s. */
const DISCONNECT_TIMEOUT_MS = 250;

const retryStrategy = (times: number): number => Math.min(50 * times, MAX_RETRY_MS);

/**
 * Of our own, whatever the app's client is set to: a command is sent now or fails now. One that waits in a queue for
 * the connection to come back, or is sent again after it, would be executed when nobody reckons with it any more.
 */
const CLIENT_OPTIONS = {
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  retryStrategy,
  connectTimeout: CONNECT_TIMEOUT_MS,
  disconnectTimeout: DISCONNECT_TIMEOUT_MS,
  lazyConnect: false,
};

/** @throws ERR_AI_CONFIG where ioredis is not installed. */
export async function connect(redis: ClusterOptions['redis']): Promise<Client> {
  if (isConnection(redis)) return duplicate(redis as Client);
  const Redis = await redisClass();
  return typeof redis === 'string'
    ? new Redis(redis, CLIENT_OPTIONS)
    : new Redis({ ...redis, ...CLIENT_OPTIONS });
}

export function isConnection(redis: unknown): redis is RedisConnection {
  return (
    typeof redis === 'object' &&
    redis !== null &&
    typeof (redis as { duplicate?: unknown }).duplicate === 'function'
  );
}

function duplicate(client: Client): Client {
  if ('nodes' in client) {
    return client.duplicate([], {
      enableOfflineQueue: false,
      lazyConnect: false,
      clusterRetryStrategy: retryStrategy,
      redisOptions: { ...client.options.redisOptions, ...CLIENT_OPTIONS },
    });
  }
  return client.duplicate(CLIENT_OPTIONS);
}

async function redisClass(): Promise<typeof Redis> {
  try {
    const ioredis = await import('ioredis');
    // Of a CommonJS package an ES module sees the default for certain, the names only where they can be told.
    return ioredis.default;
  } catch {
    throw new AiBalancerError('ERR_AI_CONFIG', "cluster needs the package 'ioredis': npm install ioredis");
  }
}
