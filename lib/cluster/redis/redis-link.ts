import { deferred } from '../../util/deferred';
import { redisErrorReason } from '../../util/redis';
import { settlesWithin, startTimer, type Timer, within } from '../../util/timers';
import type { ClusterOptions } from '../options';
import { bottleneckConnection, type Connection, type InitialLevels } from './bottleneck-connection';
import { type HeartbeatReply, Members } from './members';
import { connect } from './redis-client';
import { RedisClock } from './redis-clock';

export type LinkState = 'connecting' | 'up' | 'down' | 'closed';

/** Time limit of a round trip, in milliseconds. Redis counts as unreachable beyond it, because no call waits longer. */
const REDIS_TIMEOUT_MS = 250;
/**
 * If a timer fires this late, in milliseconds, this process's event loop was blocked, and Redis gets a little more
 * time.
 */
const STALL_MS = 10;
const HEARTBEAT_MS = 2_000;
/** How often an unreachable Redis is tried again, in milliseconds. */
const DOWN_CHECK_MS = 250;
/** How long Redis may leave a heartbeat unanswered before the client reconnects, in milliseconds. */
const UNRESPONSIVE_MS = 2_000;
/**
 * How long Redis may take to answer after the start before it counts as unreachable, in milliseconds. Connecting to a
 * distant one takes several round trips.
 */
const STARTUP_TIMEOUT_MS = 2_500;
/** How long closing waits for a Redis that doesn't answer, in milliseconds. */
const CLOSE_TIMEOUT_MS = 250;
/**
 * Errors with which Redis reports that it can't serve any command now. All other errors concern the command and its
 * keys.
 */
const UNAVAILABLE =
  /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|MISCONF|OOM|NOAUTH|NOREPLICAS)\b/;

export interface RedisLinkParts {
  readonly redis: ClusterOptions['redis'];
  readonly prefix: string;
  /** Identifies this process. */
  readonly id: string;
  readonly initialLevels: InitialLevels;
  onState(state: LinkState, reason?: string): void;
  onHeartbeat(reply: HeartbeatReply): void;
  /**
   * Called when Redis refuses the commands for a key, for example because other software has written another type to
   * it.
   */
  onFault(key: string): void;
}

/**
 * The connection to Redis, which knows whether Redis answers in time. All commands go through it, so that no command
 * waits for an unreachable Redis, and every slow reply is noticed.
 */
export class RedisLink {
  readonly #parts: RedisLinkParts;
  /** Redis's clock, and the round trip time to Redis. */
  readonly clock = new RedisClock();
  /** Resolves when the clients exist, connected or not. Rejects if they can't be created. */
  readonly opened: Promise<Connection>;
  #connection: Connection | undefined;
  #members: Members | undefined;
  #memberState = '{}';
  #state: LinkState = 'connecting';
  #checkTimer: Timer | undefined;
  readonly #startupTimer: Timer;
  /** When the pending heartbeat was sent, on performance.now(); undefined if none is pending. */
  #heartbeatSentAt: number | undefined;
  /** Resolves when Redis has answered or is known to be unreachable, and on closing. */
  readonly tried = deferred();
  /** Functions that reject the pending commands. */
  readonly #rejectPending = new Set<(error: Error) => void>();

  constructor(parts: RedisLinkParts) {
    this.#parts = parts;
    // Also marks a Redis as down that accepts the connection but answers too late.
    const giveUp = (): void => this.#markDown('no connection, or no answer in time');
    this.#startupTimer = startTimer(giveUp, STARTUP_TIMEOUT_MS).unref();
    this.opened = this.#open();
    this.opened.catch((error: unknown) => this.#markDown(redisErrorReason(error)));
  }

  get state(): LinkState {
    return this.#state;
  }

  /**
   * Runs a command. A failed connection or a late reply makes Redis unreachable; an error in the reply is a fault of
   * the key alone.
   * @throws at once while Redis is unreachable, and as soon as it becomes unreachable.
   * @param options `isSetup`: the command may take several round trips, and no call waits for it.
   */
  async run<T>(
    command: (connection: Connection) => Promise<T>,
    { key, isSetup = false }: { readonly key?: string; readonly isSetup?: boolean } = {},
  ): Promise<T> {
    const connection = this.#connection;
    if (!connection || this.#state !== 'up') throw new Error('Redis is unreachable');
    const down = deferred<never>();
    this.#rejectPending.add(down.reject);
    try {
      const reply = command(connection);
      if (!isSetup) this.#watch(reply);
      return await Promise.race([reply, down.promise]);
    } catch (error) {
      const isAnswer =
        error instanceof Error && error.name === 'ReplyError' && !UNAVAILABLE.test(error.message);
      if (!isAnswer) this.#markDown(redisErrorReason(error));
      else if (key !== undefined) this.#parts.onFault(key);
      throw error;
    } finally {
      this.#rejectPending.delete(down.reject);
    }
  }

  /** Sets the state that this process publishes to its peers. It is sent at once if Redis is reachable. */
  publishMemberState(state: string): void {
    if (state === this.#memberState) return;
    this.#memberState = state;
    if (this.#state === 'up') void this.#sendHeartbeat();
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    const wasUp = this.#state === 'up';
    this.#state = 'closed';
    this.tried.resolve();
    clearTimeout(this.#checkTimer);
    clearTimeout(this.#startupTimer);
    const connection = await this.opened.catch(() => undefined);
    const leaving = wasUp ? this.#members?.leave() : undefined;
    await within(Promise.allSettled([leaving]), CLOSE_TIMEOUT_MS);
    await within(Promise.allSettled([connection?.disconnect(false)]), CLOSE_TIMEOUT_MS);
  }

  async #open(): Promise<Connection> {
    const client = await connect(this.#parts.redis);
    const connection = bottleneckConnection(client, this.clock, this.#parts.initialLevels);
    this.#connection = connection;
    if (this.#state === 'closed') return connection;
    this.#members = new Members(client, this.clock, this.#parts.prefix, this.#parts.id);
    let lastError: string | undefined;
    client.on('error', (error: unknown) => {
      lastError = redisErrorReason(error);
    });
    client.on('ready', () => {
      lastError = undefined;
      void this.#sendHeartbeat();
    });
    client.on('close', () => this.#markDown(lastError ?? 'the connection is closed'));
    client.on('end', () => this.#markDown(lastError ?? 'the connection has ended'));
    if (client.status === 'ready') void this.#sendHeartbeat();
    return connection;
  }

  #watch(reply: Promise<unknown>): void {
    void answersInTime(reply, this.clock.roundTripMs).then((isInTime) => {
      if (!isInTime) this.#markDown('no answer in time');
    });
  }

  async #sendHeartbeat(): Promise<void> {
    if (this.#state === 'closed' || !this.#members || this.#heartbeatSentAt !== undefined) return;
    this.#heartbeatSentAt = performance.now();
    try {
      const heartbeat = this.#members.heartbeat(this.#memberState);
      if (this.#state === 'up') this.#watch(heartbeat);
      const reply = await heartbeat;
      this.#heartbeatSentAt = undefined;
      this.#parts.onHeartbeat(reply);
      // A Redis that counts as down stays so while its round trips exceed the time limit: the next command would only
      // mark it down again.
      if (this.#state === 'up' || this.clock.roundTripMs <= REDIS_TIMEOUT_MS) this.#setState('up');
    } catch (error) {
      this.#heartbeatSentAt = undefined;
      this.#markDown(redisErrorReason(error));
    }
    this.#scheduleCheck();
  }

  #markDown(reason: string): void {
    if (this.#state === 'closed') return;
    this.clock.expire();
    this.#setState('down', reason);
    for (const reject of this.#rejectPending) reject(new Error(`Redis is unreachable: ${reason}`));
    this.#rejectPending.clear();
    this.#scheduleCheck();
  }

  #setState(state: LinkState, reason?: string): void {
    if (this.#state === state || this.#state === 'closed') return;
    this.#state = state;
    clearTimeout(this.#startupTimer);
    this.#parts.onState(state, reason);
    this.tried.resolve();
  }

  #scheduleCheck(): void {
    clearTimeout(this.#checkTimer);
    if (this.#state === 'closed') return;
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

/**
 * Whether a reply or an error comes in time, not counting delays in this process. Never rejects.
 * @param roundTripMs The round trip time to Redis, in milliseconds: a script that Redis has not cached, or a heartbeat,
 *   takes more than one round trip.
 */
export function answersInTime(reply: Promise<unknown>, roundTripMs = 0): Promise<boolean> {
  return settlesWithin(reply, REDIS_TIMEOUT_MS + 2 * Math.min(roundTripMs, REDIS_TIMEOUT_MS), STALL_MS);
}
