import { deferred } from '../../util/deferred';
import { redisErrorReason } from '../../util/redis';
import { settlesWithin, startTimer, type Timer, within } from '../../util/timers';
import type { ClusterOptions } from '../options';
import { bottleneckConnection, type Connection, type InitialLevels } from './bottleneck-connection';
import { type HeartbeatReply, Members } from './members';
import { connect } from './redis-client';
import { RedisClock } from './redis-clock';

export type LinkState = 'connecting' | 'up' | 'down' | 'closed';

/** Redis is unreachable if a round trip takes longer than this: slow is not dead, but no call waits longer for it. */
const REDIS_TIMEOUT_MS = 250;
/** A timer that fires this late shows that our own event loop was blocked: Redis then gets a little longer. */
const STALL_MS = 10;
const HEARTBEAT_MS = 2_000;
/** How often an unreachable Redis is tried again. */
const DOWN_CHECK_MS = 250;
/** A Redis that accepts connections but doesn't answer for this long gets a new connection. */
const UNRESPONSIVE_MS = 2_000;
/** Without an answer for this long after the start, Redis is unreachable. Connecting takes a distant one several round trips. */
const STARTUP_TIMEOUT_MS = 2_500;
/** How long closing waits for a Redis that doesn't answer. */
const CLOSE_TIMEOUT_MS = 250;
/** Errors that say that Redis as a whole can't serve now. All others concern the command and its keys. */
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
  /** Redis refuses the commands for a key, for example because other software has written another type to it. */
  onFault(key: string): void;
}

/**
 * The connection to Redis, and whether Redis answers in time. All commands go through it, so that none waits for a Redis
 * that is unreachable, and every slow answer is noticed.
 */
export class RedisLink {
  readonly #parts: RedisLinkParts;
  /** Redis's clock, and the distance to Redis. */
  readonly clock = new RedisClock();
  /** Resolves when the clients exist, connected or not. Rejects if they can't be created. */
  readonly opened: Promise<Connection>;
  #connection: Connection | undefined;
  #members: Members | undefined;
  #memberState = '{}';
  #state: LinkState = 'connecting';
  #checkTimer: Timer | undefined;
  readonly #startupTimer: Timer;
  /** When the heartbeat was sent that has not been answered. */
  #heartbeatSentAt: number | undefined;
  /** Resolves when Redis has answered or is known to be unreachable, and on closing. */
  readonly tried = deferred();
  /** Reject the commands that are under way. */
  readonly #rejectPending = new Set<(error: Error) => void>();

  constructor(parts: RedisLinkParts) {
    this.#parts = parts;
    // A Redis that answers too slowly is not up either.
    const giveUp = (): void => this.#markDown('no connection, or no answer in time');
    this.#startupTimer = startTimer(giveUp, STARTUP_TIMEOUT_MS).unref();
    this.opened = this.#open();
    this.opened.catch((error: unknown) => this.#markDown(redisErrorReason(error)));
  }

  get state(): LinkState {
    return this.#state;
  }

  /**
   * Runs a command. A connection that fails or a late answer makes Redis unreachable; an error in the answer is a fault of
   * the key alone. @throws at once while Redis is unreachable, and as soon as it becomes so.
   * @param options `isSetup`: it may take several round trips, and no call waits for it.
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

  /** What this process publishes to its peers, at once if Redis is reachable. */
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
      // A Redis that is too slow for calls would be unreachable again with the next command.
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
 * Whether a reply, or an error, comes in time as far as Redis is to blame. Never rejects.
 * @param roundTripMs To Redis: a script that it has not cached, or a heartbeat, takes more than one.
 */
export function answersInTime(reply: Promise<unknown>, roundTripMs = 0): Promise<boolean> {
  return settlesWithin(reply, REDIS_TIMEOUT_MS + 2 * Math.min(roundTripMs, REDIS_TIMEOUT_MS), STALL_MS);
}
