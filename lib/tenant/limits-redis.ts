import { RateLimiterRedis } from 'rate-limiter-flexible';
import {
  type Count,
  type Counter,
  type Counters,
  createCounter,
  memoryCounters,
  UNLIMITED,
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

/** Access to a Redis. */
export interface RedisAccess {
  /** 'idle' before the connection has been tried and after it was closed; 'down' while Redis is known to be unreachable. */
  readonly state: 'idle' | 'up' | 'down';
  /** Rejects soon if Redis does not answer. */
  run<T>(command: (client: RedisClient) => Promise<T>): Promise<T>;
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

/** Runs commands in Redis, or in memory while Redis is unreachable, and reports when that changes. */
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
    if (state === 'down') this.#setDown(true, new Error('Redis is unreachable'));
    if (state !== 'up' || performance.now() < this.#pausedUntil) return local();
    try {
      const count = await this.#access.run(shared);
      this.#setDown(false);
      return count;
    } catch (error) {
      // Otherwise the access itself reports when Redis is back.
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
