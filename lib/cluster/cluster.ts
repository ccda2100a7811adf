import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { SharedStore } from '../util/redis';
import { type HealthReportsLink, healthReportsLink } from './health-reports/health-link';
import type { ClusterMode, ClusterOptions, OutageMode } from './options';
import { BottleneckReservoir } from './quota-lease/bottleneck-reservoir';
import { DayCounter } from './quota-lease/day-counter';
import { commonTerms, decodeTerms, distanceOf, type LeaseTerms } from './quota-lease/lease-terms';
import type { LeasedBucket, OwnTerms } from './quota-lease/ports';
import { SharedQuota } from './quota-lease/shared-quota';
import { type HeartbeatReply, MEMBER_TIMEOUT_MS } from './redis/members';
import { RedisLink } from './redis/redis-link';

export interface ClusterListeners {
  /** Called when the mode has changed. Must not throw. */
  onMode(mode: ClusterMode, members: number, reason?: string): void;
  /**
   * Called the first time that Redis refuses the commands for a limit's key. Processes don't share that limit until
   * Redis accepts them. Must not throw.
   */
  onFault(key: string): void;
  /** Called when quota that a queued call may be waiting for has become available. */
  onCapacity(): void;
}

/**
 * The processes that share one Redis, as this process sees them: their shared quotas, their health reports, and outages
 * of Redis.
 */
export class Cluster {
  /** The access to Redis that `HealthReports` needs. */
  readonly healthReports: HealthReportsLink;
  readonly store: SharedStore;
  readonly #id = randomBytes(6).toString('base64url');
  readonly #prefix: string;
  readonly #listeners: ClusterListeners;
  readonly #link: RedisLink;
  readonly #limits = new Map<string, SharedQuota>();
  #openedLimits = 0;
  #onOutage: OutageMode;
  #mode: ClusterMode = 'starting';
  #members = 1;
  /**
   * End of the time in which processes send heartbeats again after Redis has lost the list of processes, on
   * performance.now(). Until then the known numbers of processes may grow but not shrink.
   */
  #incompleteUntil = -Infinity;
  #memberTerms: readonly Record<string, LeaseTerms>[] = [];

  constructor(options: Required<ClusterOptions>, listeners: ClusterListeners) {
    const { redis, prefix } = options;
    this.#listeners = listeners;
    this.#prefix = prefix;
    this.#onOutage = options.onOutage;
    let hasBeenDown = false;
    const link = new RedisLink({
      redis,
      prefix,
      id: this.#id,
      initialLevels: (id) => this.#limits.get(id)?.initialLevel(),
      onState: (state, reason) => {
        hasBeenDown ||= state === 'down';
        this.#setMode(state === 'up' ? 'shared' : this.#onOutage, reason);
      },
      onHeartbeat: (reply) => this.#handleHeartbeat(reply),
      onFault: (key) => this.#handleFault(key),
    });
    this.#link = link;
    this.healthReports = healthReportsLink(link, prefix, this.#id);
    this.store = {
      prefix,
      get state() {
        return link.state === 'up' || link.state === 'down' ? link.state : 'idle';
      },
      get hasBeenDown() {
        return hasBeenDown;
      },
      run: (command) => link.run(({ client }) => command(client)),
    };
  }

  get mode(): ClusterMode {
    return this.#mode;
  }

  /** The number of processes last seen, including this one. */
  get members(): number {
    return this.#members;
  }

  /**
   * The time of Redis's clock in epoch milliseconds, by which the hours of limits per day are counted. The process's
   * own clock until Redis has answered.
   */
  readonly clock = (): number => this.#link.clock.now() ?? Date.now();

  /** Opens a limit, and closes the limit that is already open under that name. */
  open(name: string, bucket: LeasedBucket, ownTerms: OwnTerms): SharedQuota {
    const id = limiterKey(this.#prefix, name);
    const member = `${this.#id}-${++this.#openedLimits}`;
    const reservoir = ownTerms.isDay
      ? new DayCounter(this.#link, id, member, (used) => bucket.setUsed?.(used))
      : new BottleneckReservoir(this.#link, id);
    const quota = new SharedQuota(bucket, reservoir, ownTerms, () => this.#listeners.onCapacity());
    this.#limits.get(id)?.close();
    this.#limits.set(id, quota);
    // Until the limits of the peers are known, every peer is assumed to have this limit.
    quota.configure(quota.ownTerms(this.#distanceMs), this.#members);
    quota.setMode(this.#mode, this.#onOutage);
    this.#publishTerms();
    return quota;
  }

  /** Changes this process's terms of an open limit. */
  configure(name: string, ownTerms: OwnTerms): void {
    this.#limits.get(limiterKey(this.#prefix, name))?.setOwnTerms(ownTerms);
    this.#applyMemberTerms();
    this.#publishTerms();
  }

  setOnOutage(onOutage: OutageMode): void {
    this.#onOutage = onOutage;
    if (this.#mode !== 'shared' && this.#mode !== 'starting') this.#setMode(onOutage);
  }

  /**
   * Resolves when Redis has answered or is known to be unreachable.
   *
   * @throws ERR_AI_CONFIG if the client can't be created.
   */
  async ready(): Promise<void> {
    await this.#link.opened;
    await this.#link.tried.promise;
    await Promise.all([...this.#limits.values()].map(({ ready }) => ready.promise));
  }

  async close(): Promise<void> {
    for (const quota of this.#limits.values()) quota.close();
    this.#limits.clear();
    await this.#link.close();
  }

  #setMode(mode: ClusterMode, reason?: string): void {
    if (mode === this.#mode) return;
    this.#mode = mode;
    for (const quota of this.#limits.values()) quota.setMode(mode, this.#onOutage);
    this.#listeners.onMode(mode, this.#members, reason);
    this.#listeners.onCapacity();
  }

  /** Enforces the limit in this process alone for some time, because Redis refuses the commands for its key. */
  #handleFault(id: string): void {
    if (this.#limits.get(id)?.recordFault(this.#onOutage)) this.#listeners.onFault(id);
  }

  #handleHeartbeat({ count, states, wasLost }: HeartbeatReply): void {
    const now = performance.now();
    if (wasLost) this.#incompleteUntil = now + MEMBER_TIMEOUT_MS;
    this.#members = now < this.#incompleteUntil ? Math.max(count, this.#members) : count;
    if (states) this.#memberTerms = states.map(decodeTerms).filter((terms) => terms !== undefined);
    for (const quota of this.#limits.values()) {
      quota.setMode(this.#mode, this.#onOutage);
      // Reads what is left of a limit per day at every heartbeat, so that the process knows it if Redis becomes
      // unreachable.
      if (quota.terms.isDay) quota.refresh();
    }
    this.#publishTerms();
    this.#applyMemberTerms();
  }

  get #distanceMs(): number {
    return distanceOf(this.#link.clock.roundTripMs);
  }

  /** Gives every limit its common terms, and the number of processes that have it. */
  #applyMemberTerms(): void {
    for (const [id, quota] of this.#limits) {
      const all = this.#memberTerms.flatMap((terms) => terms[id] ?? []);
      const members = Math.max(all.length, performance.now() < this.#incompleteUntil ? quota.members : 1);
      quota.configure(commonTerms([...all, quota.ownTerms(this.#distanceMs)]), members);
    }
  }

  #publishTerms(): void {
    const own = [...this.#limits].map(([id, quota]) => [id, quota.ownTerms(this.#distanceMs)] as const);
    this.#link.publishMemberState(JSON.stringify(Object.fromEntries(own)));
  }
}

/** Whether two values of the option `cluster` have the same `redis` and `prefix`; `onOutage` may differ. */
export function isSameCluster(a: ClusterOptions | undefined, b: ClusterOptions | undefined): boolean {
  if (!a || !b) return a === b;
  return a.prefix === b.prefix && (a.redis === b.redis || isDeepStrictEqual(a.redis, b.redis));
}

/** The key of a limit in Redis. Its braces keep all keys that begin with it on one node of a Redis Cluster. */
export function limiterKey(prefix: string, name: string): string {
  return `${prefix}:{${encodeURIComponent(name)}}`;
}
