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

/** An answer that takes longer counts as none, in milliseconds. */
const PATIENCE_MS = 500;
/** How long Redis is left alone after a failure, in milliseconds. */
const PAUSE_MS = 1_000;
/** The states of a client that has been connected and is no longer, or never will be. */
const GONE: readonly string[] = ['reconnecting', 'close', 'end'];

export interface RedisCountersOptions {
  readonly client: RedisClient;
  readonly prefix: string;
  /** Told when Redis stops answering, and when it answers again. Must not throw. */
  readonly onOutage: (isDown: boolean, error?: unknown) => void;
}

/**
 * In Redis, for all processes together. While Redis doesn't answer each process counts for itself: an outage of the
 * store is no outage of the shop.
 */
export function redisCounters({ client, prefix, onOutage }: RedisCountersOptions): Counters {
  const local = memoryCounters();
  const line = new Line(client, onOutage);
  return {
    open(name, windowSeconds) {
      const limiter = new RateLimiterRedis({
        storeClient: client,
        keyPrefix: `${prefix}:${name}`,
        points: UNLIMITED,
        duration: windowSeconds,
      });
      const shared = counterOf(limiter, windowSeconds);
      const own = local.open(name, windowSeconds);
      const either = (ask: (counter: Counter) => Promise<Count>): Promise<Count> =>
        line.ask(
          () => ask(shared),
          () => ask(own),
        );
      return {
        add: (key, units) => either((counter) => counter.add(key, units)),
        read: (key) => either((counter) => counter.read(key)),
      };
    },
  };
}

/** The line to Redis: whether it is worth asking. */
class Line {
  readonly #client: RedisClient;
  readonly #onOutage: RedisCountersOptions['onOutage'];
  #isDown = false;
  #pausedUntil = 0;

  constructor(client: RedisClient, onOutage: RedisCountersOptions['onOutage']) {
    this.#client = client;
    this.#onOutage = onOutage;
  }

  async ask(shared: () => Promise<Count>, own: () => Promise<Count>): Promise<Count> {
    if (performance.now() < this.#pausedUntil) return own();
    try {
      // Its offline queue would hold the request until the connection is back.
      if (GONE.includes(this.#client.status)) throw new Error(`the connection is ${this.#client.status}`);
      const count = await within(shared(), PATIENCE_MS);
      this.#mark(false);
      return count;
    } catch (error) {
      this.#pausedUntil = performance.now() + PAUSE_MS;
      this.#mark(true, error);
      return own();
    }
  }

  #mark(isDown: boolean, error?: unknown): void {
    if (isDown === this.#isDown) return;
    this.#isDown = isDown;
    this.#onOutage(isDown, error);
  }
}

function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
