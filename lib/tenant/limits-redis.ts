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

/** The members of an ioredis `Redis` or `Cluster` that limits use. */
export interface RedisClient {
  /** State of the connection, such as 'ready'. */
  readonly status: string;
  /** Defines a command by a Lua script. */
  defineCommand(name: string, definition: { lua: string; numberOfKeys?: number }): void;
  /** Starts a transaction. */
  multi(): unknown;
}

/** How long no command is sent after a failure, in milliseconds. */
const RETRY_PAUSE_MS = 1_000;
/** How long a reply of the application's own client may take before it counts as a failure, in milliseconds. */
const REPLY_TIMEOUT_MS = 500;
/** The states of a client that has lost its connection, or never had one. */
const DISCONNECTED_STATES: readonly string[] = ['reconnecting', 'close', 'end'];

/** Access to a Redis that fails fast when it is unreachable. */
export type RedisAccess = Pick<SharedStore, 'state' | 'run'>;

/** Access through the application's own client, which fails fast whatever the client's options are. */
export function redisAccess(client: RedisClient): RedisAccess {
  return {
    // The state is unknown: only the next command shows whether Redis is available.
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
  /** Called when Redis becomes unreachable, and when it responds again. Must not throw. */
  readonly onOutage: (isDown: boolean, error?: unknown) => void;
}

/**
 * Counters in Redis that all processes share, with one key per limit and tenant. While Redis is unreachable, each
 * process counts in memory, so that no requests are refused because of the outage.
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
      // Only if the state doesn't show the outage: the next command is then sent after a pause. Otherwise
      // `access.state` shows when Redis is back.
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
