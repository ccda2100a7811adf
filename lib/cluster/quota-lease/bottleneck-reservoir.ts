import Bottleneck from 'bottleneck';
import type { Client } from '../../util/redis';
import type { Connection } from '../redis/bottleneck-connection';
import type { RedisLink } from '../redis/redis-link';
import type { Reservoir } from './ports';

/**
 * Lifetime of the keys of an unused limiter in Redis, in milliseconds. After that the next user finds a full bucket.
 */
const KEY_TTL_MS = 300_000;
/**
 * Intervals of Bottleneck's own list of clients, in milliseconds. Nothing here depends on that list, so it is updated
 * rarely.
 */
const HEARTBEAT_MS = 20_000;
const CLIENT_TIMEOUT_MS = 60_000;
/**
 * Range of the refill interval, in milliseconds. Each script that takes units first refills the reservoir in steps of
 * that length, which is chosen so that a step is a whole number of units.
 */
const MIN_REFILL_MS = 50;
const MAX_REFILL_MS = 250;

type Terms = Parameters<Reservoir['configure']>[0];

/** A Bottleneck reservoir in Redis that counts whole requests or tokens. The first command creates it. */
export class BottleneckReservoir implements Reservoir {
  readonly #link: RedisLink;
  readonly #id: string;
  #terms: Terms = { limit: 0, maximum: 0 };
  /** Resolves when the limiter has been set up in Redis. */
  #limiter: Promise<Bottleneck> | undefined;
  #isOpen = false;

  constructor(link: RedisLink, id: string) {
    this.#link = link;
    this.#id = id;
  }

  take(units: number): Promise<number> {
    return this.#run((bottleneck) => bottleneck.incrementReservoir(-units));
  }

  async configure(terms: Terms): Promise<void> {
    this.#terms = terms;
    // The type of updateSettings() is wrong: it returns a promise, which settles when its script in Redis has run.
    const update = (bottleneck: Bottleneck) =>
      bottleneck.updateSettings(refillSettings(terms)) as unknown as Promise<void>;
    if (this.#limiter) await this.#run(update);
  }

  close(): void {
    this.#limiter?.then((bottleneck) => bottleneck.disconnect(false)).catch(() => undefined);
    this.#limiter = undefined;
  }

  #run<T>(command: (bottleneck: Bottleneck) => Promise<T>): Promise<T> {
    const run = async (connection: Connection): Promise<T> => {
      this.#limiter ??= this.#create(connection);
      const bottleneck = await this.#limiter;
      this.#isOpen = true;
      return command(bottleneck);
    };
    return this.#link.run(run, { key: this.#id, isSetup: !this.#isOpen });
  }

  async #create(connection: Connection): Promise<Bottleneck> {
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
    try {
      await bottleneck.ready();
      // Unsubscribes from the channel on which Bottleneck publishes changes for jobs that are queued in a limiter: no
      // jobs are queued here.
      await (bottleneck.clients().subscriber as Client).unsubscribe(bottleneck.channel());
      return bottleneck;
    } catch (error) {
      // A limiter that failed to start rejects every command, so the next command creates another one.
      this.#limiter = undefined;
      this.#isOpen = false;
      throw error;
    }
  }
}

/**
 * Bottleneck's settings for a refill of `limit` units per minute. Redis counts whole units, so a refill step is chosen
 * whose rate comes closest to the limit without exceeding it.
 */
export function refillSettings({ limit, maximum }: Terms): Bottleneck.ConstructorOptions {
  const perMs = limit / 60_000;
  let best = { amount: 0, ms: MIN_REFILL_MS };
  const most = Math.max(1, Math.floor(perMs * MAX_REFILL_MS));
  for (let amount = Math.max(1, Math.floor(perMs * MIN_REFILL_MS)); amount <= most; amount++) {
    const ms = Math.max(MIN_REFILL_MS, Math.ceil(amount / perMs - 1e-9));
    if (amount / ms > best.amount / best.ms) best = { amount, ms };
  }
  return {
    reservoirIncreaseInterval: best.ms,
    reservoirIncreaseAmount: best.amount,
    reservoirIncreaseMaximum: maximum,
  };
}
