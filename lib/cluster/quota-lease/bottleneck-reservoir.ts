import Bottleneck from 'bottleneck';
import type { Connection } from '../redis/bottleneck-connection';
import type { Client } from '../redis/redis-client';
import { isWrongType, type RedisLink } from '../redis/redis-link';
import type { SharedLimiter } from './ports';

/** The keys of a limiter that nobody has used for this long leave Redis: the next user finds a full bucket. */
const KEY_TTL_MS = 300_000;
/** Bottleneck's own list of clients. Nothing here depends on it, so it is updated rarely. */
const HEARTBEAT_MS = 20_000;
const CLIENT_TIMEOUT_MS = 60_000;
/** The script that answers a command refills in steps of this many milliseconds. */
const REFILL_INTERVAL_MS = 50;

type Terms = Parameters<SharedLimiter['configure']>[0];

interface OpenLimiter {
  readonly bottleneck: Bottleneck;
  readonly ready: Promise<unknown>;
}

/** A Bottleneck reservoir in Redis. It is created by the first command. */
export class BottleneckReservoir implements SharedLimiter {
  readonly #link: RedisLink;
  readonly #id: string;
  readonly #onFault: () => void;
  #terms: Terms = { rate: 0, maximum: 0 };
  #limiter: OpenLimiter | undefined;
  /** Whether its first round trips have been made. */
  #isOpen = false;

  /** @param onFault A key of the limiter has a wrong type. */
  constructor(link: RedisLink, id: string, onFault: () => void) {
    this.#link = link;
    this.#id = id;
    this.#onFault = onFault;
  }

  take(units: number): Promise<number> {
    return this.#run((bottleneck) => bottleneck.incrementReservoir(-units));
  }

  async configure(terms: Terms): Promise<void> {
    this.#terms = terms;
    // One script in Redis, although its type says that there is nothing to wait for.
    const update = (bottleneck: Bottleneck) =>
      bottleneck.updateSettings(refillSettings(terms)) as unknown as Promise<void>;
    if (this.#limiter) await this.#run(update);
  }

  close(): void {
    const limiter = this.#limiter;
    this.#limiter = undefined;
    limiter?.ready.then(
      () => limiter.bottleneck.disconnect(false),
      () => undefined,
    );
  }

  async #run<T>(command: (bottleneck: Bottleneck) => Promise<T>): Promise<T> {
    const run = async (connection: Connection): Promise<T> => {
      this.#limiter ??= this.#create(connection);
      const { bottleneck, ready } = this.#limiter;
      await ready;
      this.#isOpen = true;
      return command(bottleneck);
    };
    try {
      return await this.#link.run(run, !this.#isOpen);
    } catch (error) {
      if (isWrongType(error)) this.#onFault();
      throw error;
    }
  }

  #create(connection: Connection): OpenLimiter {
    const bottleneck = new Bottleneck({
      id: this.#id,
      datastore: 'ioredis',
      connection,
      clearDatastore: false,
      timeout: KEY_TTL_MS,
      heartbeatInterval: HEARTBEAT_MS,
      clientTimeout: CLIENT_TIMEOUT_MS,
      reservoir: this.#terms.maximum,
      ...refillSettings(this.#terms),
    });
    bottleneck.on('error', () => undefined);
    const ready = bottleneck.ready().then(
      // Bottleneck publishes every change for jobs that wait in it. Here none does.
      () => (bottleneck.clients().subscriber as Client).unsubscribe(bottleneck.channel()),
      (error: unknown) => {
        // A limiter that failed to start rejects for ever: the next command creates another.
        this.#limiter = undefined;
        this.#isOpen = false;
        throw error;
      },
    );
    return { bottleneck, ready };
  }
}

function refillSettings({ rate, maximum }: Terms): Bottleneck.ConstructorOptions {
  return {
    reservoirIncreaseInterval: REFILL_INTERVAL_MS,
    reservoirIncreaseAmount: Math.round(rate * REFILL_INTERVAL_MS),
    reservoirIncreaseMaximum: maximum,
  };
}
