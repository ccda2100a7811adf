import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { BoundedMap } from '../util/bounded-map';
import { redisDayCounter } from './day-limit/day-counter';
import { SharedDayLimit } from './day-limit/shared-day-limit';
import type { HealthReportsLink } from './health-reports/health-reports';
import type { ClusterMode, ClusterOptions, OutageMode } from './options';
import { BottleneckReservoir } from './quota-lease/bottleneck-reservoir';
import {
  commonTerms,
  decodeTerms,
  distanceOf,
  type LeaseTerms,
  type TermsByLimit,
} from './quota-lease/lease-terms';
import type { LeasedBucket } from './quota-lease/ports';
import { SharedQuota } from './quota-lease/shared-quota';
import { limiterKey } from './redis/keys';
import { redisLock } from './redis/lock';
import { type HeartbeatReply, MEMBER_TIMEOUT_MS } from './redis/members';
import { redisPubSub } from './redis/pub-sub';
import type { Client } from './redis/redis-client';
import { type LinkState, RedisLink } from './redis/redis-link';
import type { SharedLimit } from './shared-limit';

export interface ClusterListeners {
  /** The mode has changed. Must not throw. */
  onMode(mode: ClusterMode, members: number, reason?: string): void;
  /** A key in Redis has a wrong type, so one limit isn't shared. Called once per limit. Must not throw. */
  onFault(key: string): void;
  /** Quota that a queued call may be waiting for has become available. */
  onCapacity(): void;
}

/** The cluster's Redis, for counters other than quotas. */
export interface SharedStore {
  /** The first part of every key. */
  readonly prefix: string;
  /** 'idle' before Redis has answered or is known to be unreachable, and after closing. */
  readonly state: 'idle' | 'up' | 'down';
  /** Rejects at once while Redis is unreachable, and as soon as it becomes so. A late answer makes it unreachable. */
  run<T>(command: (client: Client) => Promise<T>): Promise<T>;
}

/** How long a limit whose key has a wrong type is not shared before it is tried again. */
const FAULT_MS = 30_000;
const MAX_FAULTS = 1_000;

type OwnTerms = Pick<LeaseTerms, 'limit' | 'depthMs'>;

interface OpenLimit {
  readonly limit: SharedLimit;
  ownTerms: OwnTerms;
  readonly bucket?: LeasedBucket;
}

/** Of a day limit, peers only need to know that a process has it. */
const DAY_TERMS: OwnTerms = { limit: 1, depthMs: 1 };

/** `<key> <hour> <sum>` */
const PUBLISHED_DAY_TOTAL = /^(\S+) (\d{1,9}) (\d{1,16})$/;

/** The processes that share one Redis, as one of them sees it: their quotas and health reports, and outages of Redis. */
export class Cluster {
  /** What `HealthReports` needs of the cluster. */
  readonly healthReports: HealthReportsLink;
  readonly store: SharedStore;
  readonly #id = randomBytes(6).toString('base64url');
  readonly #prefix: string;
  readonly #listeners: ClusterListeners;
  readonly #link: RedisLink;
  readonly #limits = new Map<string, OpenLimit>();
  readonly #dayChannel: string;
  /** When a key of a limit was found to have a wrong type last. */
  readonly #faults = new BoundedMap<string, number>(MAX_FAULTS);
  #openedDayLimits = 0;
  #onOutage: OutageMode;
  #mode: ClusterMode = 'starting';
  #members = 1;
  /** Redis had lost all processes: until all have sent a heartbeat, the last numbers count. */
  #incompleteUntil = -Infinity;
  #isIncomplete = false;
  #memberTerms: readonly TermsByLimit[] = [];
  #publishedTerms = '';
  #onReady: (() => void)[] = [];

  constructor(options: Required<ClusterOptions>, listeners: ClusterListeners) {
    const { redis, prefix } = options;
    this.#listeners = listeners;
    this.#prefix = prefix;
    this.#dayChannel = `${prefix}:{days}`;
    this.#onOutage = options.onOutage;
    const link = new RedisLink({
      redis,
      prefix,
      id: this.#id,
      initialLevels: (id) => {
        const limit = this.#limits.get(id)?.limit;
        return limit instanceof SharedQuota ? limit.initialLevel() : undefined;
      },
      onState: (state, reason) => this.#handleLinkState(state, reason),
      onHeartbeat: (reply) => this.#handleHeartbeat(reply),
    });
    this.#link = link;
    this.healthReports = {
      id: this.#id,
      channel: redisPubSub(link, `${prefix}:{health}`),
      lock: redisLock(link, `${prefix}:{lock}`),
      now: () => link.now(),
    };
    this.store = {
      prefix,
      get state() {
        return link.isClosed || link.state === 'connecting' ? 'idle' : link.state;
      },
      run: (command) => link.runWithTimeout(command),
    };
  }

  get mode(): ClusterMode {
    return this.#mode;
  }

  /** The number of processes seen last, this one included. */
  get members(): number {
    return this.#members;
  }

  /** Opens a limit per minute. One that is open under that name is closed. */
  open(name: string, bucket: LeasedBucket, ownTerms: OwnTerms): SharedQuota {
    const id = limiterKey(this.#prefix, name);
    const reservoir = new BottleneckReservoir(this.#link, id, () => this.#handleFault(id));
    const terms = this.#termsOf({ ownTerms, bucket });
    const quota = new SharedQuota(bucket, reservoir, terms, () => this.#listeners.onCapacity());
    this.#add(id, { limit: quota, ownTerms, bucket });
    return quota;
  }

  /** Changes the limit of an open quota. */
  configure(name: string, ownTerms: OwnTerms): void {
    const open = this.#limits.get(limiterKey(this.#prefix, name));
    if (!open) return;
    open.ownTerms = ownTerms;
    this.#applyMemberTerms();
    this.#publishTerms();
  }

  /** Opens a limit per day. One that is open under that name is closed. */
  openDayLimit(name: string, limit: number): SharedDayLimit {
    if (this.#openedDayLimits === 0) this.#subscribeToDayTotals();
    const totals = limiterKey(this.#prefix, name);
    const counter = redisDayCounter(this.#link, {
      totals,
      channel: this.#dayChannel,
      member: `${this.#id}-${++this.#openedDayLimits}`,
      onFault: () => this.#handleFault(totals),
    });
    const dayLimit = new SharedDayLimit(counter, limit, () => this.#listeners.onCapacity());
    this.#add(totals, { limit: dayLimit, ownTerms: DAY_TERMS });
    return dayLimit;
  }

  setOnOutage(onOutage: OutageMode): void {
    this.#onOutage = onOutage;
    if (this.#mode !== 'shared' && this.#mode !== 'starting') this.#setMode(onOutage);
  }

  /** Resolves when Redis has answered or is known to be unreachable. @throws ERR_AI_CONFIG if it can never answer. */
  async ready(): Promise<void> {
    await this.#link.opened;
    if (this.#mode !== 'starting') return;
    await new Promise<void>((resolve) => this.#onReady.push(resolve));
  }

  async close(): Promise<void> {
    for (const { limit } of this.#limits.values()) limit.close();
    this.#limits.clear();
    for (const resolve of this.#onReady.splice(0)) resolve();
    await this.#link.close();
  }

  #handleLinkState(state: LinkState, reason: string | undefined): void {
    if (state === 'connecting') return;
    this.#setMode(state === 'up' ? 'shared' : this.#onOutage, reason);
    const onReady = this.#onReady.splice(0);
    if (onReady.length === 0) return;
    const ready = Promise.all([...this.#limits.values()].map(({ limit }) => limit.ready));
    void ready.then(() => onReady.forEach((resolve) => resolve()));
  }

  #setMode(mode: ClusterMode, reason?: string): void {
    if (mode === this.#mode) return;
    this.#mode = mode;
    for (const id of this.#limits.keys()) this.#applyMode(id);
    this.#listeners.onMode(mode, this.#members, reason);
    this.#listeners.onCapacity();
  }

  /** That limit is enforced locally for a while. */
  #handleFault(id: string): void {
    if (this.#faults.get(id) === undefined) this.#listeners.onFault(id);
    this.#faults.set(id, performance.now());
    this.#applyMode(id);
  }

  #applyMode(id: string): void {
    this.#limits.get(id)?.limit.setMode(this.#modeOf(id));
  }

  #modeOf(id: string): ClusterMode {
    const faultAt = this.#faults.get(id) ?? -Infinity;
    return this.#mode === 'shared' && performance.now() - faultAt < FAULT_MS ? this.#onOutage : this.#mode;
  }

  #handleHeartbeat({ count, states, wasLost }: HeartbeatReply): void {
    const now = performance.now();
    if (wasLost) this.#incompleteUntil = now + MEMBER_TIMEOUT_MS;
    for (const [id] of this.#faults.entries()) this.#applyMode(id);
    const wasIncomplete = this.#isIncomplete;
    this.#isIncomplete = now < this.#incompleteUntil;
    this.#members = this.#isIncomplete ? Math.max(count, this.#members) : count;
    if (states) this.#memberTerms = states.map(decodeTerms).filter((terms) => terms !== undefined);
    const isUnpublished = this.#encodeOwnTerms() !== this.#publishedTerms;
    if (isUnpublished) this.#publishTerms();
    if (states || isUnpublished || wasIncomplete !== this.#isIncomplete) this.#applyMemberTerms();
  }

  #add(id: string, open: OpenLimit): void {
    this.#limits.get(id)?.limit.close();
    this.#limits.set(id, open);
    // Until the peers' limits are known, all of them may have this one.
    open.limit.configure(this.#termsOf(open), this.#members);
    this.#applyMode(id);
    this.#publishTerms();
  }

  /** Gives every limit the terms that suit all processes that have it, and their number. */
  #applyMemberTerms(): void {
    for (const [id, open] of this.#limits) {
      const all = this.#memberTerms.flatMap((terms) => terms[id] ?? []);
      const members = Math.max(all.length, this.#isIncomplete ? open.limit.members : 1);
      open.limit.configure(commonTerms([...all, this.#termsOf(open)]), members);
    }
  }

  #termsOf({ ownTerms, bucket }: Pick<OpenLimit, 'ownTerms' | 'bucket'>): LeaseTerms {
    return {
      ...ownTerms,
      observedMs: Math.round(bucket?.observedDepthMs ?? 0),
      distanceMs: distanceOf(this.#link.roundTripMs),
    };
  }

  #publishTerms(): void {
    this.#publishedTerms = this.#encodeOwnTerms();
    this.#link.publishMemberState(this.#publishedTerms);
  }

  #encodeOwnTerms(): string {
    return JSON.stringify(
      Object.fromEntries([...this.#limits].map(([id, open]) => [id, this.#termsOf(open)])),
    );
  }

  #subscribeToDayTotals(): void {
    redisPubSub(this.#link, this.#dayChannel).subscribe((text) => {
      const [, key = '', hour, sum] = PUBLISHED_DAY_TOTAL.exec(text) ?? [];
      const limit = this.#limits.get(key)?.limit;
      if (limit instanceof SharedDayLimit) limit.onPublishedTotal(Number(hour), Number(sum));
    });
  }
}

/** Whether two configurations mean the same processes. */
export function isSameCluster(a: ClusterOptions | undefined, b: ClusterOptions | undefined): boolean {
  if (!a || !b) return a === b;
  return a.prefix === b.prefix && (a.redis === b.redis || isDeepStrictEqual(a.redis, b.redis));
}
