import type { Redis } from 'ioredis';
import { AiBalancerError } from '../../errors';
import { type Client, isConnection } from '../../util/redis';
import type { ClusterOptions } from '../options';

const MAX_RECONNECT_PAUSE_MS = 500;
const CONNECT_TIMEOUT_MS = 2_000;
/**
 * How long a Redis that doesn't respond keeps the process alive after closing, in milliseconds. The default of ioredis
 * is 2 s.
 */
const DISCONNECT_TIMEOUT_MS = 250;

const retryStrategy = (times: number): number => Math.min(50 * times, MAX_RECONNECT_PAUSE_MS);

/**
 * Options that override the application's own, so that a command is sent or fails at once. A command that waited for
 * the connection, or was sent again after a reconnection, would take quota for a call that no longer waits.
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

/**
 * Creates the client.
 *
 * @throws ERR_AI_CONFIG if ioredis is not installed, or refuses the URL or options. The error never contains their
 * values.
 */
export async function connect(redis: ClusterOptions['redis']): Promise<Client> {
  if (isConnection(redis)) return duplicate(redis as Client);
  const Redis = await importRedis();
  try {
    return typeof redis === 'string'
      ? new Redis(redis, CLIENT_OPTIONS)
      : new Redis({ ...redis, ...CLIENT_OPTIONS });
  } catch {
    // The error of ioredis is not passed on, because it may contain the URL with its password.
    const expected =
      typeof redis === 'string' ? 'a URL such as redis://host:6379' : 'options of an ioredis client';
    throw new AiBalancerError('ERR_AI_CONFIG', `cluster.redis: expected ${expected}; ioredis refused it`);
  }
}

function duplicate(client: Client): Client {
  if (!('nodes' in client)) return client.duplicate(CLIENT_OPTIONS);
  return client.duplicate([], {
    enableOfflineQueue: false,
    lazyConnect: false,
    clusterRetryStrategy: retryStrategy,
    redisOptions: { ...client.options.redisOptions, ...CLIENT_OPTIONS },
  });
}

async function importRedis(): Promise<typeof Redis> {
  try {
    const ioredis = await import('ioredis');
    // In an ES module only the default export of a CommonJS package is reliable; its named exports may be missing.
    return ioredis.default;
  } catch {
    throw new AiBalancerError('ERR_AI_CONFIG', "cluster needs the package 'ioredis': npm install ioredis");
  }
}
