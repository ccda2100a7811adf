import { RateLimiterRedis } from 'rate-limiter-flexible';
import type { Client, SharedStore } from '../util/redis';
import { within } from '../util/timers';
import {
  type Count,
  type Counter,
  type Counters,
  countingOptions,
  createCounter,
  memoryCounters,
} from './limits-counter';

/** The part of an ioredis `Redis` or `Cluster` that limits use. */
export interface RedisClient {
  /** State of the connection, such as 'ready'. */
  readonly status: string;
  /** Defines a command by a Lua script. */
  defineCommand(name: string, definition: { lua: string; numberOfKeys?: number }): void;
  /** Starts a transaction. */
  multi(): unknown;
}

/** After a failure no command is sent for this long, in milliseconds. */
const RETRY_PAUSE_MS = 1_000;
/** A reply of the app's own client that takes longer counts as a failure, in milliseconds. */
const REPLY_TIMEOUT_MS = 500;
/** The states of a client that has lost its connection, or never had one. */
const DISCONNECTED_STATES: readonly string[] = ['reconnecting', 'close', 'end'];

/** Access to a Redis, which fails fast. */
export type RedisAccess = Pick<SharedStore, 'state' | 'run'>;

/** Access with the app's own client, whatever its options are. */
export function redisAccess(client: RedisClient): RedisAccess {
  return {
    // Only the next command shows whether Redis is back.
    state: 'up',
    async run(command) {
      // The client's offline queue would hold the command until the connection is back.
      if (DISCONNECTED_STATES.includes(client.status)) throw new Error(`the connection is ${client.status}`);
      const reply = command(client as Client).then((value) => ({ value }));
      const answer = await within(reply, REPLY_TIMEOUT_MS);
      if (!answer) throw new Error(`no answer within ${REPLY_TIMEOUT_MS} ms`);
      return answer.value;
    },
  };
}

export interface RedisCountersOptions {
  readonly access: RedisAccess;
  readonly prefix: string;
  /** Called when Redis becomes unreachable, and when it answers again. Must not throw. */
  readonly onOutage: (isDown: boolean, error?: unknown) => void;
}

/**
 * Counters in Redis, which all processes share: one key per limit and tenant. While Redis is unreachable each process
 * counts in memory, so that an outage of Redis doesn't refuse requests.
 */
export function redisCounters({ access, prefix, onOutage }: RedisCountersOptions): Counters {
  let isDown = false;
  let pausedUntil = 0;
  const setDown = (down: boolean, error?: unknown): void => {
    if (down === isDown) return;
    isDown = down;
    onOutage(down, error);
  };
  const inRedis = async (count: (client: Client) => Promise<Count>): Promise<Count | undefined> => {
    const { state } = access;
    if (state === 'down') setDown(true, new Error('Redis is unreachable'));
    if (state !== 'up' || performance.now() < pausedUntil) return undefined;
    try {
      const result = await access.run(count);
      setDown(false);
      return result;
    } catch (error) {
      // Otherwise the access itself reports when Redis is back.
      if (access.state === 'up') pausedUntil = performance.now() + RETRY_PAUSE_MS;
      if (access.state !== 'idle') setDown(true, error);
      return undefined;
    }
  };
  return (name, windowSeconds) => {
    const local = memoryCounters(name, windowSeconds);
    let shared: Counter | undefined;
    const sharedBy = (storeClient: Client): Counter =>
      (shared ??= createCounter(
        new RateLimiterRedis({ storeClient, ...countingOptions(`${prefix}:${name}`, windowSeconds) }),
        windowSeconds,
      ));
    return async (key, units) =>
      (await inRedis((client) => sharedBy(client)(key, units))) ?? local(key, units);
  };
}
