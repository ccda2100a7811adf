import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { SharedDayLimits } from './day-limit/shared-day-limits';
import type { HealthReportsParts } from './health-reports/health-reports';
import type { ClusterMode, ClusterOptions, OutageMode } from './options';
import { BottleneckReservoir, type ReservoirTerms } from './quota-lease/bottleneck-reservoir';
import { commonTerms } from './quota-lease/lease-terms';
import { limiterKey } from './quota-lease/ledger-key';
import type { LeasedBucket } from './quota-lease/local-view';
import { SharedQuota } from './quota-lease/shared-quota';
import { RedisLock } from './redis/lock';
import { type HeartbeatReply, MEMBER_TIMEOUT_MS } from './redis/members';
import { RedisPubSub } from './redis/pub-sub';
import { type LinkState, RedisLink } from './redis/redis-link';
import type { SharedStore } from './redis/shared-store';

export interface ClusterListeners {
  /** Told how quotas are kept from now on, and why it changed. Must not throw. */
  onMode(mode: ClusterMode, members: number, reason?: string): void;
  /** Something that was waited for may have become free. */
  onCapacity(): void;
}

interface OpenQuota {
  readonly quota: SharedQuota;
  readonly bucket: LeasedBucket;
  ownTerms: { readonly limit: number; readonly depthMs: number };
}

/** The terms of the accounts of one member, as it says them to the others. */
type MemberTerms = Record<string, [limit: number, depthMs: number, observedMs: number]>;

/** The processes that share one Redis: their quotas, their news, and what happens while Redis is away. */
export class Cluster {
  readonly id = randomBytes(6).toString('base64url');
  readonly healthReports: HealthReportsParts;
  /** For counts that are no quotas. */
  readonly store: SharedStore;
  /** The limits a day. */
  readonly dayLimits: SharedDayLimits;
  readonly #prefix: string;
  readonly #listeners: ClusterListeners;
  readonly #link: RedisLink;
  readonly #quotas = new Map<string, OpenQuota>();
  #onOutage: OutageMode;
  #mode: ClusterMode = 'starting';
  #members = 1;
  #upSince = -Infinity;
  #memberTerms: readonly MemberTerms[] = [];
  #publishedTerms = '';
  #onReady: (() => void)[] = [];

  constructor(options: Required<ClusterOptions>, listeners: ClusterListeners) {
    this.#listeners = listeners;
    this.#prefix = options.prefix;
    this.#onOutage = options.onOutage;
    this.#link = new RedisLink({
      redis: options.redis,
      prefix: options.prefix,
      id: this.id,
      initialLevels: (id) => this.#quotas.get(id)?.quota.initialLevel(),
      memberState: () => this.#encodeOwnTerms(),
      onState: (state, reason) => this.#handleLinkState(state, reason),
      onHeartbeat: (beat) => this.#handleHeartbeat(beat),
    });
    this.healthReports = {
      id: this.id,
      channel: new RedisPubSub(this.#link, `${options.prefix}:{health}`),
      lock: new RedisLock(this.#link, `${options.prefix}:{lock}`),
      now: () => this.#link.now(),
    };
    this.store = createSharedStore(this.#link, options.prefix);
    this.dayLimits = new SharedDayLimits({
      link: this.#link,
      prefix: options.prefix,
      id: this.id,
      onCapacity: () => listeners.onCapacity(),
    });
  }

  get mode(): ClusterMode {
    return this.#mode;
  }

  /** Processes last seen, this one included. */
  get members(): number {
    return this.#members;
  }

  /** An account for a view. One that is already open under that name is closed. */
  open(name: string, bucket: LeasedBucket, ownTerms: { limit: number; depthMs: number }): SharedQuota {
    const id = limiterKey(this.#prefix, name);
    this.#quotas.get(id)?.quota.close();
    const terms = { ...ownTerms, observedMs: 0 };
    let reservoirTerms: ReservoirTerms;
    let reservoir: BottleneckReservoir | undefined;
    const withReservoir = <T>(command: (shared: BottleneckReservoir) => Promise<T>): Promise<T> =>
      this.#link.run((connection) => {
        reservoir ??= new BottleneckReservoir(connection, id, reservoirTerms);
        return command(reservoir);
      }, reservoir?.isOpen !== true);
    const quota = new SharedQuota(
      bucket,
      {
        take: (units) => withReservoir((shared) => shared.take(units)),
        configure: (next) => {
          reservoirTerms = next;
          return withReservoir((shared) => shared.configure(next));
        },
        level: () => withReservoir((shared) => shared.level()),
        close: () => {
          reservoir?.close();
          if (this.#quotas.get(id)?.quota === quota) this.#quotas.delete(id);
        },
      },
      terms,
      () => this.#listeners.onCapacity(),
    );
    this.#quotas.set(id, { quota, bucket, ownTerms });
    quota.configure(terms, this.#members);
    quota.setMode(this.#mode, performance.now());
    this.#link.publishMemberState();
    return quota;
  }

  /** The limit of an open account has changed. */
  configure(name: string, ownTerms: { limit: number; depthMs: number }): void {
    const openQuota = this.#quotas.get(limiterKey(this.#prefix, name));
    if (!openQuota) return;
    openQuota.ownTerms = ownTerms;
    this.#applyCommonTerms();
    this.#link.publishMemberState();
  }

  setOnOutage(onOutage: OutageMode): void {
    this.#onOutage = onOutage;
    if (this.#mode !== 'shared' && this.#mode !== 'starting') this.#setMode(onOutage);
  }

  /** Resolves when Redis has answered, or is known to be away. Rejects where it can never answer. */
  async ready(): Promise<void> {
    await this.#link.opened;
    if (this.#mode !== 'starting') return;
    await new Promise<void>((resolve) => this.#onReady.push(resolve));
  }

  async close(): Promise<void> {
    for (const { quota } of this.#quotas.values()) quota.close();
    this.#quotas.clear();
    this.dayLimits.close();
    for (const resolve of this.#onReady.splice(0)) resolve();
    await this.#link.close();
  }

  #handleLinkState(state: LinkState, reason: string | undefined): void {
    if (state === 'connecting') return;
    if (state === 'up') this.#upSince = performance.now();
    this.#setMode(state === 'up' ? 'shared' : this.#onOutage, reason);
    const readyResolvers = this.#onReady.splice(0);
    if (readyResolvers.length > 0)
      void this.#whenQuotasReady().then(() => readyResolvers.forEach((resolve) => resolve()));
  }

  /** Every ledger has told its level, or Redis is away again. */
  async #whenQuotasReady(): Promise<void> {
    const quotasReady = [...this.#quotas.values()].map(({ quota }) => quota.ready);
    await Promise.all([...quotasReady, this.dayLimits.ready()]);
  }

  #setMode(mode: ClusterMode, reason?: string): void {
    if (mode === this.#mode) return;
    this.#mode = mode;
    const now = performance.now();
    for (const { quota } of this.#quotas.values()) quota.setMode(mode, now);
    this.dayLimits.setMode(mode);
    this.#listeners.onMode(mode, this.#members, reason);
    this.#listeners.onCapacity();
  }

  #handleHeartbeat({ count, states }: HeartbeatReply): void {
    // A Redis that has lost everything hears of the others within seconds: until then they count as they did.
    const isRecent = this.#mode !== 'shared' || performance.now() - this.#upSince < MEMBER_TIMEOUT_MS;
    const members = isRecent ? Math.max(count, this.#members) : count;
    const hasChanged = states !== undefined || members !== this.#members;
    this.#members = members;
    this.dayLimits.setMembers(members);
    if (states) this.#memberTerms = states.map(parseTerms).filter((terms) => terms !== undefined);
    if (hasChanged || this.#publishedTerms !== this.#encodeOwnTerms()) this.#applyCommonTerms();
  }

  /** Every account on the terms that all members can bear. */
  #applyCommonTerms(): void {
    this.#publishedTerms = this.#encodeOwnTerms();
    for (const [id, { quota, bucket, ownTerms }] of this.#quotas) {
      const others = this.#memberTerms.flatMap((stated) => {
        const terms = stated[id];
        if (!terms) return [];
        const [limit, depthMs, observedMs] = terms;
        return limit > 0 && depthMs > 0 ? [{ limit, depthMs, observedMs }] : [];
      });
      const terms = commonTerms([...others, { ...ownTerms, observedMs: bucket.observedDepthMs }]);
      quota.configure(terms, this.#members);
    }
  }

  #encodeOwnTerms(): string {
    const terms: MemberTerms = {};
    for (const [id, { bucket, ownTerms }] of this.#quotas) {
      terms[id] = [ownTerms.limit, ownTerms.depthMs, Math.round(bucket.observedDepthMs)];
    }
    return JSON.stringify(terms);
  }
}

function createSharedStore(link: RedisLink, prefix: string): SharedStore {
  return {
    prefix,
    get state() {
      return link.isClosed || link.state === 'connecting' ? 'idle' : link.state;
    },
    run: (command) => link.runWithTimeout(command),
  };
}

/** Whether both mean the same processes. */
export function isSameCluster(a: ClusterOptions | undefined, b: ClusterOptions | undefined): boolean {
  if (!a || !b) return a === b;
  return a.prefix === b.prefix && (a.redis === b.redis || isDeepStrictEqual(a.redis, b.redis));
}

/** What another member has said, which may be of another version, or no member of ours. */
function parseTerms(text: string): MemberTerms | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null) return undefined;
    const isTerms = (terms: unknown): boolean =>
      Array.isArray(terms) && terms.length === 3 && terms.every((part) => Number.isFinite(part) && part >= 0);
    return Object.values(parsed).every(isTerms) ? (parsed as MemberTerms) : undefined;
  } catch {
    return undefined;
  }
}
