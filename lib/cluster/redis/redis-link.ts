import { AiBalancerError } from '../../errors';
import { isObject } from '../../util/is-object';
import { startTimer, type Timer, within } from '../../util/timers';
import type { ClusterOptions } from '../options';
import { bottleneckConnection, type Connection, type InitialLevels } from './bottleneck-connection';
import { type HeartbeatReply, Members } from './members';
import { type Client, connect } from './redis-client';
import { RedisClock } from './redis-clock';
import { answersInTime, REDIS_TIMEOUT_MS } from './redis-timeout';

export type LinkState = 'connecting' | 'up' | 'down';

const HEARTBEAT_MS = 2_000;
/** How often an unreachable Redis is tried again. */
const DOWN_CHECK_MS = 250;
/** A Redis that accepts connections but doesn't answer for this long gets a new connection. */
const UNRESPONSIVE_MS = 2_000;
/** Without an answer for this long after the start, Redis is unreachable. Connecting takes a distant one several round trips. */
const STARTUP_TIMEOUT_MS = 2_500;
/** How long closing waits for a Redis that doesn't answer. */
const CLOSE_TIMEOUT_MS = 250;

export interface RedisLinkParts {
  readonly redis: ClusterOptions['redis'];
  readonly prefix: string;
  /** Identifies this process. */
  readonly id: string;
  readonly initialLevels: InitialLevels;
  onState(state: LinkState, reason?: string): void;
  onHeartbeat(reply: HeartbeatReply): void;
}

/**
 * The connection to Redis, and whether Redis answers in time. All commands go through it, so that none waits for a Redis
 * that is unreachable, and every slow answer is noticed.
 */
export class RedisLink {
  readonly #parts: RedisLinkParts;
  readonly #clock = new RedisClock();
  readonly #opened: Promise<Connection>;
  readonly #startupTimer: Timer;
  #connection: Connection | undefined;
  #members: Members | undefined;
  #memberState = '{}';
  #state: LinkState = 'connecting';
  #checkTimer: Timer | undefined;
  /** When the heartbeat was sent that has not been answered. */
  #heartbeatSentAt: number | undefined;
  #isClosed = false;
  /** Reject the commands of `runWithTimeout()` that are under way. */
  readonly #rejectPending = new Set<(error: Error) => void>();

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

  /** The shortest recent round trip, in milliseconds; 0 until Redis has answered. */
  get roundTripMs(): number {
    const { roundTripMs } = this.#clock;
    return roundTripMs === Infinity ? 0 : roundTripMs;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Resolves when the clients exist, connected or not. Rejects if they can't be created. */
  get opened(): Promise<unknown> {
    return this.#opened;
  }

  /** Milliseconds on Redis's clock; undefined until Redis has answered. */
  now(): number | undefined {
    return this.#clock.now();
  }

  /**
   * Runs a command on which the quotas depend: if it fails or is late, Redis counts as unreachable. A key of a wrong type
   * is a fault of that key alone: see {@link isWrongType}.
   * @param isSetup It may take several round trips, and no call waits for it.
   * @throws at once while Redis is unreachable.
   */
  async run<T>(command: (connection: Connection) => Promise<T>, isSetup = false): Promise<T> {
    if (!this.#connection || this.#state !== 'up') throw new Error('Redis is unreachable');
    try {
      const reply = command(this.#connection);
      if (!isSetup) this.#watch(reply);
      return await reply;
    } catch (error) {
      if (!isWrongType(error)) this.#markDown(reasonOf(error));
      throw error;
    }
  }

  /** Runs a command whose failure says nothing about the quotas. @throws at once while Redis is unreachable. */
  async tryRun<T>(command: (client: Client) => Promise<T>): Promise<T> {
    if (!this.#connection || this.#state !== 'up') throw new Error('Redis is unreachable');
    return command(this.#connection.client);
  }

  /** Like `tryRun()`, but a late answer counts, and rejects as soon as Redis counts as unreachable. */
  runWithTimeout<T>(command: (client: Client) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#rejectPending.add(reject);
      const reply = this.tryRun(command);
      this.#watch(reply);
      reply.then(resolve, reject).finally(() => this.#rejectPending.delete(reject));
    });
  }

  /** Calls `use` as soon as the clients exist, connected or not. */
  whenOpen(use: (client: Client, subscriber: Client) => void): void {
    this.#opened.then(
      ({ client, subscriber }) => use(client, subscriber),
      () => undefined,
    );
  }

  /** What this process publishes to its peers, at once if Redis is reachable. */
  publishMemberState(state: string): void {
    this.#memberState = state;
    if (this.#state === 'up') void this.#sendHeartbeat();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#startupTimer);
    clearTimeout(this.#checkTimer);
    const connection = await this.#opened.catch(() => undefined);
    if (!connection) return;
    const waitBriefly = (promise: Promise<unknown>) =>
      within(
        promise.catch(() => undefined),
        CLOSE_TIMEOUT_MS,
      );
    if (this.#state === 'up' && this.#members) await waitBriefly(this.#members.leave());
    await waitBriefly(connection.disconnect(false));
  }

  async #open(): Promise<Connection> {
    const client = await connect(this.#parts.redis);
    const connection = bottleneckConnection(client, this.#clock, this.#parts.initialLevels);
    this.#connection = connection;
    if (this.#isClosed) return connection;
    this.#members = new Members(client, this.#clock, this.#parts.prefix, this.#parts.id);
    client.on('ready', () => void this.#sendHeartbeat());
    let lastError: string | undefined;
    client.on('error', (error: unknown) => {
      lastError = reasonOf(error);
    });
    client.on('ready', () => {
      lastError = undefined;
    });
    client.on('close', () => this.#markDown(lastError ?? 'the connection is closed'));
    client.on('end', () => this.#markDown(lastError ?? 'the connection has ended'));
    if (client.status === 'ready') void this.#sendHeartbeat();
    return connection;
  }

  #watch(reply: Promise<unknown>): void {
    void answersInTime(reply, this.roundTripMs).then((isInTime) => {
      if (!isInTime) this.#markDown('no answer in time');
    });
  }

  async #sendHeartbeat(): Promise<void> {
    if (this.#isClosed || !this.#members || this.#heartbeatSentAt !== undefined) return;
    this.#heartbeatSentAt = performance.now();
    try {
      const heartbeat = this.#members.heartbeat(this.#memberState);
      if (this.#state === 'up') this.#watch(heartbeat);
      const reply = await heartbeat;
      this.#heartbeatSentAt = undefined;
      this.#parts.onHeartbeat(reply);
      // A Redis that is too slow for calls would be unreachable again with the next command.
      if (this.#state === 'up' || this.roundTripMs <= REDIS_TIMEOUT_MS) this.#setState('up');
    } catch (error) {
      this.#heartbeatSentAt = undefined;
      this.#markDown(reasonOf(error));
    }
    this.#scheduleCheck();
  }

  #markDown(reason: string): void {
    if (this.#isClosed) return;
    this.#clock.expire();
    this.#setState('down', reason);
    for (const reject of this.#rejectPending) reject(new Error(`Redis is unreachable: ${reason}`));
    this.#rejectPending.clear();
    this.#scheduleCheck();
  }

  #setState(state: LinkState, reason?: string): void {
    if (this.#state === state || this.#isClosed) return;
    this.#state = state;
    this.#parts.onState(state, reason);
  }

  #scheduleCheck(): void {
    clearTimeout(this.#checkTimer);
    if (this.#isClosed) return;
    const ms = this.#state === 'up' ? HEARTBEAT_MS : DOWN_CHECK_MS;
    this.#checkTimer = startTimer(() => this.#check(), ms).unref();
  }

  #check(): void {
    const client = this.#connection?.client;
    if (this.#heartbeatSentAt === undefined && client?.status === 'ready') {
      void this.#sendHeartbeat();
      return;
    }
    if (this.#heartbeatSentAt !== undefined && performance.now() - this.#heartbeatSentAt > UNRESPONSIVE_MS) {
      this.#heartbeatSentAt = undefined;
      client?.disconnect(true);
    }
    this.#scheduleCheck();
  }
}

/** Whether other software has written a value of another type to the key of a command. */
export function isWrongType(error: unknown): boolean {
  return error instanceof Error && error.message.includes('WRONGTYPE');
}

/** What may be logged of an error: its code and the address, or the first words. Never a URL that may hold a password. */
function reasonOf(error: unknown): string {
  if (AiBalancerError.isInstance(error)) return error.message;
  if (!isObject(error)) return 'unknown';
  const { code, message, name, address, port, hostname } = error;
  if (typeof code !== 'string') return /^[A-Z_]+(?= )/.exec(String(message))?.[0] ?? String(name);
  const host = typeof address === 'string' ? address : hostname;
  if (typeof host !== 'string') return code;
  return typeof port === 'number' ? `${code} ${host}:${port}` : `${code} ${host}`;
}
