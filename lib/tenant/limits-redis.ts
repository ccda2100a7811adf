import { RateLimiterRedis } from 'rate-limiter-flexible';
import {
  type Count,
  type Counter,
  type Counters,
  counterOf,
  memoryCounters,
  UNLIMITED,
} from './limits-counter';

/** What is used of an ioredis client, cluster included. */
export interface RedisClient {
  readonly status: string;
  defineCommand(name: string, definition: { lua: string; numberOfKeys?: number }): void;
  multi(): unknown;
}

/** How long Redis is left alone after a failure, in milliseconds. */
const PAUSE_MS = 1_000;

/** The way to a Redis. */
export interface RedisLine {
  /** 'idle': nobody can be asked yet, or any more, and that is no news. 'down': it is known to be away. */
  readonly state: 'idle' | 'up' | 'down';
  /** Rejects in good time where Redis doesn't answer. */
  ask<T>(question: (client: RedisClient) => Promise<T>): Promise<T>;
}

export interface RedisCountersOptions {
  readonly line: RedisLine;
  readonly prefix: string;
  /** Told when Redis stops answering, and when it answers again. Must not throw. */
  readonly onOutage: (isDown: boolean, error?: unknown) => void;
}

/**
 * In Redis, for all processes together: one key for each limit of a tenant. While Redis doesn't answer each process
 * counts for itself: an outage of the store is no outage of the shop.
 */
export function redisCounters({ line, prefix, onOutage }: RedisCountersOptions): Counters {
  const local = memoryCounters();
  const outage = new Outage(line, onOutage);
  return {
    open(name, windowSeconds) {
      let opened: Counter | undefined;
      const shared = (client: RedisClient): Counter => {
        opened ??= counterOf(
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
      const either = (ask: (counter: Counter) => Promise<Count>): Promise<Count> =>
        outage.around(
          (client) => ask(shared(client)),
          () => ask(own),
        );
      return {
        add: (key, units) => either((counter) => counter.add(key, units)),
        read: (key) => either((counter) => counter.read(key)),
      };
    },
  };
}

/** Knows whether Redis is worth asking, and tells when that changes. */
class Outage {
  readonly #line: RedisLine;
  readonly #onOutage: RedisCountersOptions['onOutage'];
  #isDown = false;
  #pausedUntil = 0;

  constructor(line: RedisLine, onOutage: RedisCountersOptions['onOutage']) {
    this.#line = line;
    this.#onOutage = onOutage;
  }

  async around(shared: (client: RedisClient) => Promise<Count>, own: () => Promise<Count>): Promise<Count> {
    const { state } = this.#line;
    if (state === 'down') this.#mark(true, new Error('Redis is away'));
    if (state !== 'up' || performance.now() < this.#pausedUntil) return own();
    try {
      const count = await this.#line.ask(shared);
      this.#mark(false);
      return count;
    } catch (error) {
      // A line that says itself when it is back can be asked at once then.
      if (this.#line.state === 'up') this.#pausedUntil = performance.now() + PAUSE_MS;
      if (this.#line.state !== 'idle') this.#mark(true, error);
      return own();
    }
  }

  #mark(isDown: boolean, error?: unknown): void {
    if (isDown === this.#isDown) return;
    this.#isDown = isDown;
    this.#onOutage(isDown, error);
  }
}
