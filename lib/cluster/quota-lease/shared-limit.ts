import { deferred } from '../../util/deferred';
import { GrantQueue } from '../../util/grant-request';
import { startTimer, type Timer } from '../../util/timers';
import type { ClusterMode, OutageMode } from '../options';
import { Lease } from './lease';
import { FLUSH_MS, type LeaseTerms } from './lease-terms';
import type { LeasedBucket, OwnTerms } from './ports';

/**
 * Number of reports of its usage that a process sends after an outage, one per FLUSH_MS, before it leases quota again.
 */
const REJOIN_STEPS = 4;
/**
 * Largest share of the bucket depth that the processes divide among themselves when Redis becomes unreachable: peers
 * that still reach Redis may use the rest.
 */
const MAX_DIVIDED_SHARE = 0.25;
/** How long a limit whose key Redis refuses is not shared, in milliseconds, before Redis is tried again. */
const FAULT_MS = 30_000;

type State =
  | { readonly kind: 'starting' }
  | { readonly kind: 'shared' }
  /** Redis is unreachable. */
  | { readonly kind: 'local'; readonly mode: OutageMode }
  /**
   * Redis is reachable again. The process keeps to its share until all peers have reported their usage; otherwise the
   * first process to return would get the shares of the others.
   */
  | { readonly kind: 'rejoining'; readonly timer: Timer }
  | { readonly kind: 'closed' };

/**
 * Base class of a limit that is kept in Redis: what happens to it while Redis is unreachable. Each process then uses
 * its share of the limit, and reports its usage afterwards.
 */
export abstract class SharedLimit {
  protected readonly bucket: LeasedBucket;
  protected readonly lease = new Lease();
  /**
   * Requests for units that wait for a reply of Redis. The lease never covers the first one: an update would request
   * nothing for it. Units of a cancelled request are put back into the bucket.
   */
  protected readonly requests = new GrantQueue((units) => {
    this.bucket.put(units, performance.now());
    this.grantCovered();
  });
  /** The terms that all processes share. */
  terms: LeaseTerms;
  #ownTerms: OwnTerms;
  #faultAt = -Infinity;
  #state: State = { kind: 'starting' };
  #members = 1;
  /** The share of the bucket that this process may use, from 0 to 1. */
  #share = 1;
  /** Resolves when Redis has answered or is known to be unreachable. */
  readonly ready = deferred();

  constructor(bucket: LeasedBucket, ownTerms: OwnTerms) {
    this.bucket = bucket;
    this.#ownTerms = ownTerms;
    this.terms = this.ownTerms(0);
  }

  setOwnTerms(ownTerms: OwnTerms): void {
    this.#ownTerms = ownTerms;
  }

  ownTerms(distanceMs: number): LeaseTerms {
    const { sharedLimit, observedDepthMs } = this.bucket;
    return { ...this.#ownTerms, limit: sharedLimit, observedMs: Math.round(observedDepthMs), distanceMs };
  }

  /** The number of processes that have this limit, including this one. */
  get members(): number {
    return this.#members;
  }

  configure(terms: LeaseTerms, members: number): void {
    this.terms = terms;
    this.#members = Math.max(1, members);
    if (this.#state.kind === 'local') this.#divide();
  }

  /**
   * Records that Redis refuses the commands for the limit's key. The limit is not shared for the next 30 s. Returns
   * whether this was the first refusal.
   */
  recordFault(onOutage: OutageMode): boolean {
    const isFirst = this.#faultAt === -Infinity;
    this.#faultAt = performance.now();
    this.setMode('shared', onOutage);
    return isFirst;
  }

  /**
   * Applies the cluster's mode to this limit.
   *
   * @param onOutage The mode to use instead of 'shared' while Redis refuses the limit's key.
   */
  setMode(wanted: ClusterMode, onOutage: OutageMode = 'local-share'): void {
    const { kind } = this.#state;
    if (wanted === 'starting' || kind === 'closed') return;
    const isRefused = performance.now() - this.#faultAt < FAULT_MS;
    const mode = wanted === 'shared' && isRefused ? onOutage : wanted;
    if (mode !== 'shared') {
      const wasLocal = this.isLocal;
      this.#stopRejoining();
      this.#state = { kind: 'local', mode };
      this.ready.resolve();
      if (wasLocal) this.#divide();
      else this.#startOutage();
    } else if (kind === 'local') {
      this.#rejoin(REJOIN_STEPS);
    } else if (kind === 'starting') {
      this.#state = { kind: 'shared' };
      this.refresh();
    }
  }

  close(): void {
    this.#stopRejoining();
    this.#state = { kind: 'closed' };
    this.lease.suspend();
    this.ready.resolve();
    for (const request of this.requests.drain()) request.decide(false);
  }

  /** The level with which the limiter is created if its keys are not in Redis. */
  initialLevel(): number {
    const now = performance.now();
    if (!this.isLocal) return Math.floor(this.limiterLevel(now));
    // Adds back the usage that this process has not reported yet: it is reported once the limiter exists.
    const level = this.bucket.level(now);
    return Math.floor((level + this.lease.unreported(this.bucket.depth - level)) / this.#share);
  }

  /** Reports the usage to the limiter and reads its level. */
  abstract refresh(): void;

  /**
   * Whether this process counts the limit by itself: while Redis is unreachable, while rejoining, and after closing.
   */
  protected get isLocal(): boolean {
    return this.#state.kind !== 'starting' && this.#state.kind !== 'shared';
  }

  /** Whether commands may be sent to Redis. */
  protected get isReachable(): boolean {
    return this.#state.kind === 'shared' || this.#state.kind === 'rejoining';
  }

  /** Whether calls have to wait until Redis is reachable again, because of `onOutage: 'closed'`. */
  protected get isBlocked(): boolean {
    return this.#state.kind === 'local' && this.#state.mode === 'closed';
  }

  /**
   * Grants waiting requests in order, as far as the lease covers them. Call it whenever the lease has got units or the
   * first request has been removed: a smaller one may be behind it.
   */
  protected grantCovered(): void {
    this.requests.grant((units) => this.lease.tryUse(units));
  }

  /** The level of the limiter in Redis, as far as this process knows. */
  protected limiterLevel(now: number): number {
    return this.bucket.level(now) + this.requests.units - this.lease.unused;
  }

  /**
   * Switches to this process's share of the limit. Requests that were waiting for Redis are granted as far as the share
   * covers them; the others are refused.
   */
  #startOutage(): void {
    const now = performance.now();
    const limiterLevel = this.limiterLevel(now);
    const { unused } = this.lease;
    const requests = this.requests.drain();
    const reserved = requests.reduce((sum, { units }) => sum + units, 0);
    const divided = this.terms.isDay ? 1 : MAX_DIVIDED_SHARE;
    this.#share = this.#ownShare;
    const level = Math.min(limiterLevel, divided * this.bucket.depth) * this.#share;
    this.bucket.setShare(this.#share, level + unused - reserved, now);
    this.lease.suspend();
    // The newest requests are refused first if the share doesn't cover all of them.
    for (const request of requests.reverse()) {
      const isGranted = !this.isBlocked && this.bucket.level(now) >= 0;
      if (isGranted) this.lease.overdraw(request.units);
      else this.bucket.put(request.units, now);
      request.decide(isGranted);
    }
  }

  #rejoin(steps: number): void {
    // A limit per minute has refilled in the meantime, so only what is missing in this process's share is reported. A
    // limit per day has not, so all used units are.
    const { depth } = this.bucket;
    if (!this.terms.isDay) this.lease.reportCredit(depth - this.bucket.level(performance.now()));
    if (steps > 0) {
      const timer = startTimer(() => this.#rejoin(steps - 1), FLUSH_MS).unref();
      this.#state = { kind: 'rejoining', timer };
      this.refresh();
      return;
    }
    this.#state = { kind: 'shared' };
    this.lease.resume();
    this.#divide();
    this.refresh();
  }

  #stopRejoining(): void {
    if (this.#state.kind === 'rejoining') clearTimeout(this.#state.timer);
  }

  /** The share of the limit that this process may use, from 0 to 1. */
  get #ownShare(): number {
    if (!this.isLocal) return 1;
    return this.#state.kind === 'local' && this.#state.mode !== 'local-share' ? 1 : 1 / this.#members;
  }

  /**
   * Applies a changed share to the limit, and scales what is left in the bucket with it. The level is not scaled when
   * Redis is in use again, because the next update reads it from there.
   */
  #divide(): void {
    const share = this.#ownShare;
    if (share === this.#share) return;
    const now = performance.now();
    const level = this.bucket.level(now);
    const isScaled = level > 0 && this.isLocal;
    this.bucket.setShare(share, isScaled ? (level * share) / this.#share : level, now);
    this.#share = share;
  }
}
