import { startTimer, type Timer } from '../../util/timers';
import type { ClusterMode } from '../options';
import type { GrantRequest } from './grant-request';
import { type LeaseTerms, limiterDepthMs } from './lease-terms';
import { CLOSED_RETRY_MS, FLUSH_MS } from './lease-times';
import { LimiterUnits } from './ledger-units';
import type { LeasedBucket, SharedLimiter } from './local-view';
import { OutageShare } from './outage-share';
import { QuotaLease } from './quota-lease';

/** How many times, a flush apart, a process tells what it used without Redis before it asks for more. */
const REJOIN_STEPS = 4;

/**
 * One limit of a quota that many processes share. The view answers at once; what it lets through is covered by a lease,
 * taken from the ledger in one step, so that most calls cost no round trip. A call that finds the lease used up waits
 * for the next one. Without Redis each process goes on with its share, as the view has it.
 */
export class SharedQuota {
  readonly #bucket: LeasedBucket;
  readonly #limiter: SharedLimiter;
  readonly #units: LimiterUnits;
  readonly #lease: QuotaLease;
  #mode: ClusterMode = 'starting';
  #members = 1;
  #terms: LeaseTerms;
  /** Without Redis, and until it has been told what was used meanwhile. */
  #outage: OutageShare | undefined;
  #rejoinTimer: Timer | undefined;
  #isReporting = false;
  #resolveReady: () => void = () => undefined;
  /** Resolves when the ledger has told its level, or can't be asked. */
  readonly ready = new Promise<void>((resolve) => {
    this.#resolveReady = resolve;
  });

  /** @param onCapacity Told when a lease has come in that a call in a queue may have waited for. */
  constructor(
    bucket: LeasedBucket,
    limiter: SharedLimiter,
    terms: LeaseTerms,
    onCapacity: () => void = () => undefined,
  ) {
    this.#bucket = bucket;
    this.#limiter = limiter;
    this.#terms = terms;
    this.#units = new LimiterUnits(bucket);
    const onReply = (): void => {
      this.#outage = undefined;
      this.#resolveReady();
    };
    this.#lease = new QuotaLease({ bucket, limiter, units: this.#units, onCapacity, onReply }, terms);
  }

  /** Covers what the view has just given out. Undefined where the lease in hand does: nothing is to be waited for. */
  reserve(units: number): GrantRequest | undefined {
    return this.#isLocal ? undefined : this.#lease.reserve(units);
  }

  /**
   * Milliseconds until so many units can be reserved.
   * @param bucketWaitMs As the view has it.
   */
  waitMs(units: number, bucketWaitMs: number, now: number): number {
    if (this.#mode === 'closed') return CLOSED_RETRY_MS;
    return this.#isLocal ? bucketWaitMs : this.#lease.waitMs(units, bucketWaitMs, now);
  }

  /** A call waits for so many units: they are gathered bit by bit, or those who want less would always be faster. */
  prefetch(units: number, now: number): void {
    if (!this.#isLocal) this.#lease.prefetch(units, now);
  }

  /** What had been covered is not needed. */
  refund(units: number): void {
    if (!this.#isLocal) this.#lease.refund(units);
  }

  /** More was used than had been covered. */
  overdraw(units: number): void {
    if (!this.#isLocal) this.#lease.overdraw(units);
  }

  /** The provider's own count has corrected the view by so much. */
  correct(units: number): void {
    if (!this.#isLocal) this.#lease.correct(units);
  }

  /** The terms or the number of members have changed. */
  configure(terms: LeaseTerms, members: number): void {
    this.#terms = terms;
    this.#members = Math.max(1, members);
    const sharedDepthMs = limiterDepthMs(terms.depthMs, this.#members);
    const maximum = Math.round(terms.limit * sharedDepthMs);
    this.#lease.configure(terms, this.#members, maximum);
    this.#bucket.setSharing(sharedDepthMs, this.#members);
    // Where it fails, Redis is away, and the next beat configures again.
    this.#limiter.configure({ rate: terms.limit, maximum }).catch(() => undefined);
  }

  setMode(mode: ClusterMode, now: number): void {
    if (mode === this.#mode) return;
    const wasLocal = this.#isLocal;
    this.#mode = mode;
    clearTimeout(this.#rejoinTimer);
    this.#rejoinTimer = undefined;
    if (mode !== 'shared') {
      if (!wasLocal) this.#startOutage(now);
    } else if (wasLocal) {
      this.#rejoin(REJOIN_STEPS);
    } else {
      this.#lease.open();
    }
  }

  /** Units of the ledger to make it with where Redis has lost it, or never had it. */
  initialLevel(): number {
    const now = performance.now();
    if (this.#outage) return this.#units.toLimiter(this.#outage.undividedLevel(this.#rate, now));
    return this.#units.toLimiter(Math.min(this.#bucket.depth, this.#lease.limiterLevel(now)));
  }

  async reservoir(): Promise<number> {
    return Math.floor(this.#units.fromLimiter(await this.#limiter.level()));
  }

  close(): void {
    clearTimeout(this.#rejoinTimer);
    this.#rejoinTimer = undefined;
    this.#lease.close();
    this.#resolveReady();
    this.#mode = 'closed';
    this.#limiter.close();
  }

  get #isLocal(): boolean {
    return (this.#mode !== 'shared' && this.#mode !== 'starting') || this.#rejoinTimer !== undefined;
  }

  /** The ledger's refill, in units a millisecond. */
  get #rate(): number {
    return (this.#terms.limit * this.#bucket.limitShare) / 60_000;
  }

  /** Redis is away: what it holds is divided among the members, and each goes on with its part. */
  #startOutage(now: number): void {
    const limiterLevel = this.#lease.limiterLevel(now);
    const { unusedUnits, unreported, requests } = this.#lease.suspend();
    const share = this.#mode === 'local-share' ? 1 / this.#members : 1;
    // What Redis has not been told yet is told with the rest when it is back.
    this.#outage = new OutageShare({ limiterLevel, depth: this.#bucket.depth, share, unreported, now });
    const reserved = requests.reduce((sum, { units }) => sum + units, 0);
    this.#bucket.setShare(share, this.#outage.initialLevel + unusedUnits - reserved, now);
    this.#resolveReady();
    // The last come are the first to go where the share doesn't reach for all.
    for (const request of requests.reverse()) {
      const isGranted = this.#mode !== 'closed' && this.#bucket.level(now) >= 0;
      if (!isGranted) this.#bucket.put(request.units, now);
      request.decide(isGranted);
    }
  }

  /**
   * Redis is back, and hears what was used meanwhile. For a second the process lives on its share still: whoever came
   * back first would take the shares of those who have not told yet for free.
   */
  #rejoin(steps: number): void {
    const now = performance.now();
    const unreported = this.#outage?.unreported(this.#bucket.level(now), this.#rate, now) ?? 0;
    if (steps === 0) {
      this.#rejoinTimer = undefined;
      this.#isReporting = false;
      // From now on the ledger's word counts.
      this.#bucket.setShare(1, this.#bucket.level(now), now);
      this.#lease.correct(-unreported);
      this.#lease.open();
      return;
    }
    this.#rejoinTimer = startTimer(() => this.#rejoin(steps - 1), FLUSH_MS).unref();
    if (!this.#isReporting) void this.#reportUsage(unreported);
  }

  async #reportUsage(unreported: number): Promise<void> {
    const outage = this.#outage;
    this.#isReporting = true;
    try {
      const units = this.#units.toLimiter(unreported);
      const left = await this.#limiter.take(units);
      outage?.markReported(unreported);
      // What is told never makes a debt.
      const tooLow = Math.min(units, -left);
      if (tooLow > 0) await this.#limiter.take(-tooLow);
    } catch {
      // Redis is away again: it is told the next time.
    } finally {
      if (outage === this.#outage) this.#isReporting = false;
    }
  }
}
