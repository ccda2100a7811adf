import type { GrantRequest } from '../../util/grant-request';
import { startTimer, type Timer } from '../../util/timers';
import { EPSILON } from './lease';
import { CLOSED_RETRY_MS, FLUSH_MS, type LeaseTerms, leaseMs, limiterDepthMs } from './lease-terms';
import type { LeasedBucket, OwnTerms, Reservoir } from './ports';
import { SharedLimit } from './shared-limit';

/** How long a lease may be unused before it is returned, in milliseconds. */
const IDLE_MS = 1_000;
/** How long prefetched units are kept for a waiting call after its last `prefetch`, in milliseconds. */
const PREFETCH_MS = 2_000;
/**
 * Mean pause before a process asks a drained limiter again, in milliseconds: PAUSE_MS times the number of processes, at
 * most MAX_PAUSE_MS.
 */
const PAUSE_MS = 80;
const MAX_PAUSE_MS = 640;
/**
 * While a call has a long wait, the level is read from Redis again when it is older than this, in milliseconds, because
 * peers may have returned units.
 */
const STALE_MS = 1_000;

/**
 * A limit per minute or per day that many processes share. The bucket answers at once; the units that it grants are
 * covered by a lease, so that most calls need no round trip. A call that the lease doesn't cover waits for the next
 * one. Updates run one at a time: each leases units, reports usage that no lease covered, and returns units that aren't
 * needed. While Redis is unreachable, each process continues with its share and reports its usage afterwards.
 */
export class SharedQuota extends SharedLimit {
  readonly #reservoir: Reservoir;
  readonly #onCapacity: () => void;
  #configured = { limit: 0, maximum: 0 };
  #isUpdating = false;
  #isLevelKnown = false;
  #repliedAt = -Infinity;
  /** The hour for which the lease was taken. Always 0 for a limit per minute. */
  #hour = 0;
  #usedAt = -Infinity;
  /**
   * Whether the lease has to be renewed, because what is left of it does not cover both another call like the last one
   * and the usage until the next lease arrives.
   */
  #isLow = false;
  /** Units that the first queued call waits for; `#prefetchUntil` is the time until which they are kept for it. */
  #prefetchUnits = 0;
  #prefetchUntil = -Infinity;
  #pausedUntil = -Infinity;
  #flushTimer: Timer | undefined;

  /** @param onCapacity Called when a lease has arrived that a queued call may be waiting for. */
  constructor(bucket: LeasedBucket, reservoir: Reservoir, ownTerms: OwnTerms, onCapacity: () => void) {
    super(bucket, ownTerms);
    this.#reservoir = reservoir;
    this.#onCapacity = onCapacity;
  }

  override configure(terms: LeaseTerms, members: number): void {
    super.configure(terms, members);
    const depthMs = limiterDepthMs(terms, this.members);
    this.bucket.setSharing(depthMs, this.members);
    // A limiter that can't hold one unit would never grant any.
    const maximum = Math.max(1, Math.floor((terms.limit * depthMs) / 60_000 + EPSILON));
    if (terms.limit === this.#configured.limit && maximum === this.#configured.maximum) return;
    this.#configured = { limit: terms.limit, maximum };
    // If this fails, Redis is unreachable, and the next heartbeat configures again.
    this.#reservoir.configure(this.#configured).catch(() => {
      this.#configured = { limit: 0, maximum: 0 };
    });
  }

  /**
   * Reserves units that the bucket has granted. Returns undefined if they may be used at once; otherwise a request,
   * whose decision the call waits for.
   */
  reserve(units: number): GrantRequest | undefined {
    const now = performance.now();
    this.#turnHour(now);
    // A process that calls rarely doesn't renew its lease in advance: it would return the new lease unused.
    const isBusy = now - this.#usedAt < IDLE_MS;
    this.#usedAt = now;
    if (this.requests.isEmpty && this.lease.tryUse(units)) {
      // The lease must also cover what this process uses during a round trip at its fair rate.
      const inRoundTrip = this.#unitsIn(this.terms.distanceMs / this.members);
      const isLow = !this.lease.covers(Math.max(units, inRoundTrip));
      this.#isLow = isBusy && isLow && this.#pausedUntil <= now;
      // Renews the lease for the next call, after this call has been sent.
      if (this.#isLow) setImmediate(() => void this.#update());
      return undefined;
    }
    // Runs after this turn of the event loop, so that one update serves all calls of the turn.
    if (this.requests.isEmpty) queueMicrotask(() => void this.#update());
    return this.requests.add(units);
  }

  /**
   * Milliseconds until the units can be reserved.
   * @param bucketWaitMs The wait that the bucket predicts, in milliseconds.
   */
  waitMs(units: number, bucketWaitMs: number, now: number): number {
    if (this.isBlocked) return CLOSED_RETRY_MS;
    if (this.isLocal) return bucketWaitMs;
    if (this.requests.isEmpty && this.lease.covers(units)) return 0;
    if (bucketWaitMs > STALE_MS && now - this.#repliedAt > STALE_MS) this.refresh();
    return Math.max(bucketWaitMs, this.#pausedUntil - now);
  }

  /** Gathers these units step by step for a queued call. Otherwise smaller calls would always overtake it. */
  prefetch(units: number, now: number): void {
    this.#prefetchUnits = Math.min(units, this.bucket.depth);
    this.#prefetchUntil = now + PREFETCH_MS;
    if (this.#pausedUntil <= now && !this.lease.covers(this.#prefetchUnits)) void this.#update();
  }

  /** Returns units that were reserved at time `takenAt` and not used. */
  refund(units: number, takenAt: number): void {
    this.#turnHour(performance.now());
    const hour = this.bucket.hourAt?.(takenAt) ?? 0;
    if (hour !== this.#hour && !this.isLocal) {
      this.#take(-Math.floor(units), hour);
      return;
    }
    this.lease.add(units);
    this.grantCovered();
    this.#scheduleFlush();
  }

  /** Takes units that were used beyond a reservation. */
  overdraw(units: number): void {
    this.lease.overdraw(units);
    this.#scheduleFlush();
  }

  /**
   * Passes on to Redis that the provider's headers have raised the bucket's level by `units`, or lowered it if
   * negative.
   */
  correct(units: number): void {
    this.lease.exceed(-units);
    this.#scheduleFlush();
  }

  /**
   * Takes units directly from the limiter, even if it holds fewer; gives them back if negative. Resolves to what is
   * left for all processes; undefined, with nothing taken, while Redis is unreachable.
   */
  async adjust(units: number): Promise<number | undefined> {
    if (this.isLocal) return undefined;
    const left = await this.#reservoir.take(Math.ceil(units), this.#hour).catch(() => undefined);
    if (left !== undefined) this.#syncLevel(left);
    return left;
  }

  override close(): void {
    clearTimeout(this.#flushTimer);
    this.#returnLease();
    super.close();
    this.#reservoir.close?.();
  }

  override refresh(): void {
    this.#isLevelKnown = false;
    void this.#update();
  }

  /**
   * Changes to the current hour. Units count in the hour in which they are used, so units leased for an earlier hour
   * are returned to it.
   */
  #turnHour(now: number): void {
    const hour = this.bucket.hourAt?.(now) ?? 0;
    if (hour === this.#hour) return;
    this.#returnLease();
    this.#hour = hour;
  }

  #returnLease(): void {
    this.lease.returnBeyond(0);
    const { owed } = this.lease.report();
    if (owed >= 0 || this.isLocal) return;
    this.#take(owed);
    this.lease.settle({ owed, excess: 0 });
  }

  /**
   * Takes units without waiting for the reply. If Redis is unreachable, nothing is taken, and nothing else has to be
   * done.
   */
  #take(units: number, hour = this.#hour): void {
    this.#reservoir.take(units, hour).catch(() => undefined);
  }

  #syncLevel(limiterLevel: number): void {
    if (this.isLocal) return;
    this.bucket.syncLevel(limiterLevel + this.lease.unused - this.requests.units, performance.now());
  }

  /** The size of one lease, in units. */
  get #size(): number {
    return this.#unitsIn(leaseMs(this.terms, this.members));
  }

  /** @param ms Milliseconds of the limit. */
  #unitsIn(ms: number): number {
    return (ms * this.terms.limit) / 60_000;
  }

  async #update(): Promise<void> {
    if (this.#isUpdating || !this.isReachable) return;
    this.#turnHour(performance.now());
    const report = this.lease.report();
    const requested = this.isLocal ? 0 : this.#unitsToRequest(performance.now());
    const hasNews = requested !== 0 || report.owed !== 0 || report.excess !== 0;
    if (!hasNews && this.#isLevelKnown) return;
    const hour = this.#hour;
    const waiting = this.requests.snapshot();
    this.#isUpdating = true;
    const reply = this.#reservoir.take(requested + report.owed + report.excess, hour);
    const left = await reply.catch(() => undefined);
    this.#isUpdating = false;
    if (left !== undefined) {
      this.lease.settle(report);
      if (hour === this.#hour) this.#applyReply(requested, report.excess, waiting, left);
      else this.#take(-requested, hour);
    }
    // Without a reply, the units may or may not have been taken: the next flush tries again.
    this.#scheduleFlush();
    if (left !== undefined && !this.requests.isEmpty) void this.#update();
  }

  /** The units to request: those that calls wait for, and a new lease if the limiter has that much to spare. */
  #unitsToRequest(now: number): number {
    const renewed = this.#isLow ? this.#size : 0;
    this.#isLow = false;
    const needed = Math.max(this.requests.units, now < this.#prefetchUntil ? this.#prefetchUnits : renewed);
    const need = this.lease.missing(needed);
    if (need === 0) return 0;
    const available = Math.floor(this.limiterLevel(now) - this.bucket.headroom);
    // If no call waits for the reply, requests no more than the limiter should hold.
    if (this.requests.isEmpty) return Math.max(0, Math.min(need, available));
    return need + Math.max(0, Math.min(Math.floor(this.#size), available - need));
  }

  /**
   * Applies the reply to an update: adds the units to the lease, grants the waiting requests as far as the lease covers
   * them, refuses the rest of `waiting`, and sets the bucket to the limiter's level.
   *
   * @param waiting The requests for which the update was sent.
   * @param left The level of the limiter after the update.
   */
  #applyReply(requested: number, excess: number, waiting: readonly GrantRequest[], left: number): void {
    const { depth, headroom } = this.bucket;
    this.#isLevelKnown = true;
    this.#repliedAt = performance.now();
    this.ready.resolve();
    // The lowest level that grants may leave: the headroom, or a debt if the first call is larger than the depth and
    // has started on a full bucket.
    const floor = Math.min(headroom, depth - this.requests.first);
    const refused = Math.min(requested, Math.max(0, Math.ceil(floor - left - EPSILON)));
    const level = left + refused;
    const tooLow = Math.min(Math.max(0, excess), Math.max(0, -level));
    if (refused + tooLow > 0) this.#take(-refused - tooLow);
    this.lease.add(requested - refused);
    this.grantCovered();
    this.requests.refuse(waiting);
    // Requests that came after the update was sent may need less than the refused ones.
    this.grantCovered();
    if (this.isLocal) return;
    this.#syncLevel(level + tooLow);
    if (level < headroom + this.#size) {
      // A process that asked again at once would get ever smaller parts of a drained limiter. The pause is random,
      // because each process takes what has been refilled since the previous one asked: in a fixed order the same
      // process would always come last.
      const pauseMs = Math.min(MAX_PAUSE_MS, PAUSE_MS * this.members) * (0.5 + Math.random());
      this.#pausedUntil = performance.now() + pauseMs;
    }
    if (requested > refused) this.#onCapacity();
  }

  /**
   * Schedules a flush, which reports usage and returns unused units: those beyond one lease, or all of them after a
   * while without use.
   */
  #scheduleFlush(): void {
    if (this.isLocal || this.#flushTimer !== undefined) return;
    const { owed, excess } = this.lease.report();
    if (owed === 0 && excess === 0 && this.lease.unused === 0 && this.requests.isEmpty) return;
    this.#flushTimer = startTimer(() => {
      this.#flushTimer = undefined;
      const now = performance.now();
      if (!this.isLocal && this.requests.isEmpty && now >= this.#prefetchUntil)
        this.lease.returnBeyond(now - this.#usedAt >= IDLE_MS ? 0 : this.#size);
      void this.#update();
      this.#scheduleFlush();
    }, FLUSH_MS).unref();
  }
}
