import Bottleneck from 'bottleneck';
import type { Client } from '../redis/redis-client';

/** Nobody has used the ledger for so long: its keys leave Redis, and the next user finds a full bucket. */
const KEY_TTL_MS = 300_000;
/** Bottleneck's own account of who is there. Here nothing depends on it, so it is kept rarely. */
const HEARTBEAT_MS = 20_000;
const CLIENT_TIMEOUT_MS = 60_000;
/** The refill comes in steps of so many milliseconds, worked out by the script that asks. */
const REFILL_INTERVAL_MS = 50;

/** In units of the ledger, whole numbers. */
export interface ReservoirTerms {
  /** Refill a millisecond. */
  readonly rate: number;
  readonly maximum: number;
}

/** One Bottleneck reservoir in Redis. Every method rejects while Redis is away. */
export class BottleneckReservoir {
  readonly #connection: Bottleneck.IORedisConnection;
  readonly #id: string;
  #terms: ReservoirTerms;
  #limiter: { readonly bottleneck: Bottleneck; readonly ready: Promise<unknown> } | undefined;
  #isOpen = false;

  constructor(connection: Bottleneck.IORedisConnection, id: string, terms: ReservoirTerms) {
    this.#connection = connection;
    this.#id = id;
    this.#terms = terms;
  }

  /** Whether its first round trips have been made. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Takes `units`, or gives back where they are negative. Gives what is left then, which may be below zero. */
  async take(units: number): Promise<number> {
    const limiter = await this.#open();
    return limiter.incrementReservoir(-units);
  }

  /** What it holds now. */
  async level(): Promise<number> {
    const limiter = await this.#open();
    return (await limiter.currentReservoir()) ?? 0;
  }

  /** New terms, for every process. */
  async configure(terms: ReservoirTerms): Promise<void> {
    this.#terms = terms;
    const limiter = await this.#limiter?.ready.then(() => this.#limiter?.bottleneck);
    // In Redis this is one script; its types say that nothing is to be awaited.
    await (limiter?.updateSettings(refillSettings(terms)) as unknown as Promise<void> | undefined);
  }

  close(): void {
    const limiter = this.#limiter;
    this.#limiter = undefined;
    // One that never was ready has nothing to leave behind.
    limiter?.ready.then(
      () => limiter.bottleneck.disconnect(false),
      () => undefined,
    );
  }

  async #open(): Promise<Bottleneck> {
    this.#limiter ??= this.#create();
    const { bottleneck, ready } = this.#limiter;
    await ready;
    this.#isOpen = true;
    return bottleneck;
  }

  #create(): { readonly bottleneck: Bottleneck; readonly ready: Promise<unknown> } {
    const bottleneck = new Bottleneck({
      id: this.#id,
      datastore: 'ioredis',
      connection: this.#connection,
      clearDatastore: false,
      timeout: KEY_TTL_MS,
      heartbeatInterval: HEARTBEAT_MS,
      clientTimeout: CLIENT_TIMEOUT_MS,
      reservoir: this.#terms.maximum,
      ...refillSettings(this.#terms),
    });
    bottleneck.on('error', () => undefined);
    const ready = bottleneck.ready().then(
      // It tells of every change; nobody listens, since no job ever waits in it.
      () => (bottleneck.clients().subscriber as Client).unsubscribe(bottleneck.channel()),
      (error: unknown) => {
        // One whose first steps failed rejects for ever: the next question makes another.
        this.#limiter = undefined;
        this.#isOpen = false;
        throw error;
      },
    );
    return { bottleneck, ready };
  }
}

function refillSettings({ rate, maximum }: ReservoirTerms): Bottleneck.ConstructorOptions {
  return {
    reservoirIncreaseInterval: REFILL_INTERVAL_MS,
    reservoirIncreaseAmount: Math.round(rate * REFILL_INTERVAL_MS),
    reservoirIncreaseMaximum: maximum,
  };
}
