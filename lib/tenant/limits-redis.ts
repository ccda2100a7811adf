import { RateLimiterRedis } from 'rate-limiter-flexible';
import {
  type Count,
  type Counter,
  type Counters,
  createCounter,
  memoryCounters,
  UNLIMITED,
} from './limits-counter';

/** What is used of an ioredis client, cluster included. */
export interface RedisClient {
  /** State of the connection, such as 'ready'. */
  readonly status: string;
  /** Defines a command by a Lua script. */
  defineCommand(name: string, definition: { lua: string; numberOfKeys?: number }): void;
  /** Starts a transaction. */
  multi(): unknown;
}

/** How long Redis is left alone after a failure, in milliseconds. */
const RETRY_PAUSE_MS = 1_000;

/** The way to a Redis. */
export interface RedisAccess {
  /** 'idle': nobody can be asked yet, or any more, and that is no news. 'down': it is known to be away. */
  readonly state: 'idle' | 'up' | 'down';
  /** Rejects in good time where Redis doesn't answer. */
  run<T>(command: (client: RedisClient) => Promise<T>): Promise<T>;
}

export interface RedisCountersOptions {
  readonly access: RedisAccess;
  readonly prefix: string;
  /** Told when Redis stops answering, and when it answers again. Must not throw. */
  readonly onOutage: (isDown: boolean, error?: unknown) => void;
}

/**
 * In Redis, for all processes together: one key for each limit of a tenant. While Redis doesn't answer each process
 * counts for itself: an outage of the store is no outage of the shop.
 */
export function redisCounters({ access, prefix, onOutage }: RedisCountersOptions): Counters {
  const local = memoryCounters();
  const outage = new OutageFallback(access, onOutage);
  return {
    open(name, windowSeconds) {
      let opened: Counter | undefined;
      const shared = (client: RedisClient): Counter => {
        opened ??= createCounter(
          new RateLimiterRedis({
            storeClient: client,
            keyPrefix: `${prefix}:${name}`,
            points: UNLIMITED,
            duration: windowSeconds,
          }),
          windowSeconds,
        );
        return opened;
      };
      const own = local.open(name, windowSeconds);
      const count = (command: (counter: Counter) => Promise<Count>): Promise<Count> =>
        outage.run(
          (client) => command(shared(client)),
          () => command(own),
        );
      return {
        add: (key, units) => count((counter) => counter.add(key, units)),
        read: (key) => count((counter) => counter.read(key)),
      };
    },
  };
}

/** Knows whether Redis is worth asking, and tells when that changes. */
class OutageFallback {
  readonly #access: RedisAccess;
  readonly #onOutage: RedisCountersOptions['onOutage'];
  #isDown = false;
  #pausedUntil = 0;

  constructor(access: RedisAccess, onOutage: RedisCountersOptions['onOutage']) {
    this.#access = access;
    this.#onOutage = onOutage;
  }

  async run(shared: (client: RedisClient) => Promise<Count>, local: () => Promise<Count>): Promise<Count> {
    const { state } = this.#access;
    if (state === 'down') this.#setDown(true, new Error('Redis is away'));
    if (state !== 'up' || performance.now() < this.#pausedUntil) return local();
    try {
      const count = await this.#access.run(shared);
      this.#setDown(false);
      return count;
    } catch (error) {
      // A line that says itself when it is back can be asked at once then.
      if (this.#access.state === 'up') this.#pausedUntil = performance.now() + RETRY_PAUSE_MS;
      if (this.#access.state !== 'idle') this.#setDown(true, error);
      return local();
    }
  }

  #setDown(isDown: boolean, error?: unknown): void {
    if (isDown === this.#isDown) return;
    this.#isDown = isDown;
    this.#onOutage(isDown, error);
  }
}
