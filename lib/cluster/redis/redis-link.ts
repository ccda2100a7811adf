import { startTimer, type Timer, within } from '../../util/timers';
import type { ClusterOptions } from '../options';
import { bottleneckConnection, type InitialLevels } from './bottleneck-connection';
import { type Beat, Members } from './members';
import { type Client, connect } from './redis-client';
import { RedisClock } from './redis-clock';
import { PATIENCE_MS, Patience } from './redis-timeout';

export type LinkState = 'connecting' | 'up' | 'down';

/** What a member does while all is well, and how soon it looks again for a Redis that is away, in milliseconds. */
const BEAT_MS = 2_000;
const PROBE_MS = 250;
/** A Redis that takes connections but answers nothing for so long gets another connection. */
const HUNG_MS = 2_000;
/** From the start until Redis is taken to be away. */
const START_MS = 1_000;

export interface LinkParts {
  readonly redis: ClusterOptions['redis'];
  readonly prefix: string;
  readonly id: string;
  readonly initialLevels: InitialLevels;
  /** What this process says to the others. */
  says(): string;
  onState(state: LinkState, reason?: string): void;
  onBeat(beat: Beat): void;
}

type Connection = ReturnType<typeof bottleneckConnection>;

/**
 * The line to Redis: whether it answers, and in time. Everything that is asked goes through `ask()`, so that nobody
 * waits for a Redis that is away, and so that every slow answer is noticed.
 */
export class RedisLink {
  readonly #parts: LinkParts;
  readonly #clock = new RedisClock();
  readonly #patience = new Patience(() => this.#down('no answer in time'));
  readonly #opened: Promise<Connection>;
  #connection: Connection | undefined;
  #members: Members | undefined;
  #state: LinkState = 'connecting';
  readonly #start: Timer;
  #timer: Timer | undefined;
  #beatSince: number | undefined;
  #isClosed = false;
  /** Of those who are told when Redis goes away, since a call waits with them. */
  readonly #waiting = new Set<(error: Error) => void>();

  constructor(parts: LinkParts) {
    this.#parts = parts;
    this.#start = startTimer(() => {
      if (this.#state === 'connecting') this.#down('no connection in time');
    }, START_MS).unref();
    this.#opened = this.#open();
    this.#opened.catch((error: unknown) => this.#down(reasonOf(error)));
  }

  get state(): LinkState {
    return this.#state;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Resolves when there are clients, connected or not. Rejects where there can't be any. */
  get opened(): Promise<unknown> {
    return this.#opened;
  }

  /** Milliseconds on Redis's clock; undefined until it has been heard. */
  now(): number | undefined {
    return this.#clock.now();
  }

  /**
   * @param isFirst It may take several round trips, and nobody's call waits for it.
   * @throws at once while Redis is away, else what the question rejects with.
   */
  async ask<T>(question: (connection: Connection) => Promise<T>, isFirst = false): Promise<T> {
    if (!this.#connection || this.#state !== 'up') throw new Error('Redis is away');
    try {
      const answer = question(this.#connection);
      return await (isFirst ? answer : this.#patience.watch(answer));
    } catch (error) {
      this.#down(reasonOf(error));
      throw error;
    }
  }

  /** Like `ask()`, for what is only better than nothing: that it fails says nothing of the quotas. */
  async tryAsk<T>(question: (client: Client) => Promise<T>): Promise<T> {
    if (!this.#connection || this.#state !== 'up') throw new Error('Redis is away');
    return question(this.#connection.client);
  }

  /** Like `tryAsk()`, where a call waits: a late answer is noticed, and nobody waits longer than until then. */
  askInTime<T>(question: (client: Client) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      this.#patience
        .watch(this.tryAsk(question))
        .then(resolve, reject)
        .finally(() => this.#waiting.delete(reject));
    });
  }

  /** Calls as soon as there are clients, connected or not. */
  whenOpen(use: (client: Client, subscriber: Client) => void): void {
    this.#opened.then(
      ({ client, subscriber }) => use(client, subscriber),
      () => undefined,
    );
  }

  /** Says now what has changed, where Redis is there. */
  tell(): void {
    if (this.#state === 'up') void this.#beat();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#start);
    clearTimeout(this.#timer);
    this.#patience.stop();
    const connection = await this.#opened.catch(() => undefined);
    if (!connection) return;
    if (this.#state === 'up') await soon(this.#members?.leave());
    await soon(connection.disconnect(false));
  }

  async #open(): Promise<Connection> {
    const client = await connect(this.#parts.redis);
    const connection = bottleneckConnection(client, this.#clock, this.#parts.initialLevels);
    this.#connection = connection;
    if (this.#isClosed) return connection;
    this.#members = new Members(client, this.#clock, this.#parts.prefix, this.#parts.id);
    client.on('ready', () => void this.#beat());
    client.on('close', () => this.#down('the connection is closed'));
    client.on('end', () => this.#down('the connection has ended'));
    if (client.status === 'ready') void this.#beat();
    return connection;
  }

  async #beat(): Promise<void> {
    if (this.#isClosed || !this.#members || this.#beatSince !== undefined) return;
    const since = performance.now();
    this.#beatSince = since;
    try {
      const beat = this.#members.beat(this.#parts.says());
      const answer = await (this.#state === 'up' ? this.#patience.watch(beat) : beat);
      this.#beatSince = undefined;
      this.#parts.onBeat(answer);
      // One that answers too late for a call would be away again with the next question.
      if (this.#state === 'up' || performance.now() - since < PATIENCE_MS) this.#change('up');
    } catch (error) {
      this.#beatSince = undefined;
      this.#down(reasonOf(error));
    }
    this.#arm();
  }

  #down(reason: string): void {
    if (this.#isClosed) return;
    this.#clock.forget();
    this.#change('down', reason);
    for (const reject of this.#waiting) reject(new Error(`Redis is away: ${reason}`));
    this.#waiting.clear();
    this.#arm();
  }

  #change(state: LinkState, reason?: string): void {
    if (this.#state === state || this.#isClosed) return;
    this.#state = state;
    this.#parts.onState(state, reason);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    this.#timer = startTimer(() => this.#look(), this.#state === 'up' ? BEAT_MS : PROBE_MS).unref();
  }

  #look(): void {
    const client = this.#connection?.client;
    if (this.#beatSince !== undefined) {
      if (performance.now() - this.#beatSince > HUNG_MS) {
        this.#beatSince = undefined;
        client?.disconnect(true);
      }
      this.#arm();
    } else if (client?.status === 'ready') {
      void this.#beat();
    } else {
      this.#arm();
    }
  }
}

/** What a log may know: a code, or the first words. Never an address with a password. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : (/^[A-Z_]+(?= )/.exec(error.message)?.[0] ?? error.name);
}

/** Closing must not hang on a Redis that doesn't answer. */
async function soon(promise: Promise<unknown> | undefined): Promise<void> {
  if (promise)
    await within(
      promise.catch(() => undefined),
      250,
    );
}
