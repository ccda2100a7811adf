import { startTimer, type Timer, within } from '../../util/timers';
import type { ClusterOptions } from '../options';
import { bottleneckConnection, type InitialLevels } from './bottleneck-connection';
import { type HeartbeatReply, Members } from './members';
import { type Client, connect } from './redis-client';
import { RedisClock } from './redis-clock';
import { REDIS_TIMEOUT_MS, RedisTimeout } from './redis-timeout';

export type LinkState = 'connecting' | 'up' | 'down';

/** What a member does while all is well, and how soon it looks again for a Redis that is away, in milliseconds. */
const HEARTBEAT_MS = 2_000;
const DOWN_CHECK_MS = 250;
/** A Redis that takes connections but answers nothing for so long gets another connection. */
const UNRESPONSIVE_MS = 2_000;
/** From the start until Redis is taken to be away. */
const STARTUP_TIMEOUT_MS = 1_000;

export interface RedisLinkParts {
  readonly redis: ClusterOptions['redis'];
  readonly prefix: string;
  readonly id: string;
  readonly initialLevels: InitialLevels;
  /** What this process says to the others. */
  memberState(): string;
  onState(state: LinkState, reason?: string): void;
  onHeartbeat(heartbeat: HeartbeatReply): void;
}

type Connection = ReturnType<typeof bottleneckConnection>;

/**
 * The line to Redis: whether it answers, and in time. Everything that is asked goes through `ask()`, so that nobody
 * waits for a Redis that is away, and so that every slow answer is noticed.
 */
export class RedisLink {
  readonly #parts: RedisLinkParts;
  readonly #clock = new RedisClock();
  readonly #timeout = new RedisTimeout(() => this.#markDown('no answer in time'));
  readonly #opened: Promise<Connection>;
  #connection: Connection | undefined;
  #members: Members | undefined;
  #state: LinkState = 'connecting';
  readonly #startupTimer: Timer;
  #timer: Timer | undefined;
  #heartbeatSentAt: number | undefined;
  #isClosed = false;
  /** Of those who are told when Redis goes away, since a call waits with them. */
  readonly #pendingRejects = new Set<(error: Error) => void>();

  constructor(parts: RedisLinkParts) {
    this.#parts = parts;
    this.#startupTimer = startTimer(() => {
      if (this.#state === 'connecting') this.#markDown('no connection in time');
    }, STARTUP_TIMEOUT_MS).unref();
    this.#opened = this.#open();
    this.#opened.catch((error: unknown) => this.#markDown(reasonOf(error)));
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
   * @param isSetup It may take several round trips, and nobody's call waits for it.
   * @throws at once while Redis is away, else what the question rejects with.
   */
  async run<T>(command: (connection: Connection) => Promise<T>, isSetup = false): Promise<T> {
    if (!this.#connection || this.#state !== 'up') throw new Error('Redis is away');
    try {
      const reply = command(this.#connection);
      return await (isSetup ? reply : this.#timeout.watch(reply));
    } catch (error) {
      this.#markDown(reasonOf(error));
      throw error;
    }
  }

  /** Like `ask()`, for what is only better than nothing: that it fails says nothing of the quotas. */
  async tryRun<T>(command: (client: Client) => Promise<T>): Promise<T> {
    if (!this.#connection || this.#state !== 'up') throw new Error('Redis is away');
    return command(this.#connection.client);
  }

  /** Like `tryAsk()`, where a call waits: a late answer is noticed, and nobody waits longer than until then. */
  runWithTimeout<T>(command: (client: Client) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#pendingRejects.add(reject);
      this.#timeout
        .watch(this.tryRun(command))
        .then(resolve, reject)
        .finally(() => this.#pendingRejects.delete(reject));
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
  publishMemberState(): void {
    if (this.#state === 'up') void this.#sendHeartbeat();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#startupTimer);
    clearTimeout(this.#timer);
    this.#timeout.stop();
    const connection = await this.#opened.catch(() => undefined);
    if (!connection) return;
    if (this.#state === 'up') await waitBriefly(this.#members?.leave());
    await waitBriefly(connection.disconnect(false));
  }

  async #open(): Promise<Connection> {
    const client = await connect(this.#parts.redis);
    const connection = bottleneckConnection(client, this.#clock, this.#parts.initialLevels);
    this.#connection = connection;
    if (this.#isClosed) return connection;
    this.#members = new Members(client, this.#clock, this.#parts.prefix, this.#parts.id);
    client.on('ready', () => void this.#sendHeartbeat());
    client.on('close', () => this.#markDown('the connection is closed'));
    client.on('end', () => this.#markDown('the connection has ended'));
    if (client.status === 'ready') void this.#sendHeartbeat();
    return connection;
  }

  async #sendHeartbeat(): Promise<void> {
    if (this.#isClosed || !this.#members || this.#heartbeatSentAt !== undefined) return;
    const sentAt = performance.now();
    this.#heartbeatSentAt = sentAt;
    try {
      const heartbeat = this.#members.heartbeat(this.#parts.memberState());
      const reply = await (this.#state === 'up' ? this.#timeout.watch(heartbeat) : heartbeat);
      this.#heartbeatSentAt = undefined;
      this.#parts.onHeartbeat(reply);
      // One that answers too late for a call would be away again with the next question.
      if (this.#state === 'up' || performance.now() - sentAt < REDIS_TIMEOUT_MS) this.#setState('up');
    } catch (error) {
      this.#heartbeatSentAt = undefined;
      this.#markDown(reasonOf(error));
    }
    this.#scheduleCheck();
  }

  #markDown(reason: string): void {
    if (this.#isClosed) return;
    this.#clock.forget();
    this.#setState('down', reason);
    for (const reject of this.#pendingRejects) reject(new Error(`Redis is away: ${reason}`));
    this.#pendingRejects.clear();
    this.#scheduleCheck();
  }

  #setState(state: LinkState, reason?: string): void {
    if (this.#state === state || this.#isClosed) return;
    this.#state = state;
    this.#parts.onState(state, reason);
  }

  #scheduleCheck(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    this.#timer = startTimer(
      () => this.#check(),
      this.#state === 'up' ? HEARTBEAT_MS : DOWN_CHECK_MS,
    ).unref();
  }

  #check(): void {
    const client = this.#connection?.client;
    if (this.#heartbeatSentAt !== undefined) {
      if (performance.now() - this.#heartbeatSentAt > UNRESPONSIVE_MS) {
        this.#heartbeatSentAt = undefined;
        client?.disconnect(true);
      }
      this.#scheduleCheck();
    } else if (client?.status === 'ready') {
      void this.#sendHeartbeat();
    } else {
      this.#scheduleCheck();
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
async function waitBriefly(promise: Promise<unknown> | undefined): Promise<void> {
  if (promise)
    await within(
      promise.catch(() => undefined),
      250,
    );
}
