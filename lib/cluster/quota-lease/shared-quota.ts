import { SharedLimit } from '../shared-limit';
import type { GrantRequest } from './grant-request';
import { CLOSED_RETRY_MS, type LeaseTerms, limiterDepthMs } from './lease-terms';
import { OutageShare } from './outage-share';
import { type LeasedBucket, type SharedLimiter, toLimiter } from './ports';
import { QuotaLease } from './quota-lease';

/**
 * One limit of a quota that many processes share. The bucket answers at once; what it hands out is covered by a lease, so
 * that most calls cost no round trip. A call that the lease doesn't cover waits for the next one. While Redis is
 * unreachable each process goes on with its share.
 */
export class SharedQuota extends SharedLimit {
  readonly #bucket: LeasedBucket;
  readonly #limiter: SharedLimiter;
  readonly #lease: QuotaLease;
  #terms: LeaseTerms;
  /** From the start of an outage until the limiter has answered after it. */
  #outage: OutageShare | undefined;
  /** The outage whose usage is being reported. */
  #reporting: OutageShare | undefined;

  /** @param onCapacity Called when a lease has come in that a queued call may be waiting for. */
  constructor(bucket: LeasedBucket, limiter: SharedLimiter, terms: LeaseTerms, onCapacity: () => void) {
    super();
    this.#bucket = bucket;
    this.#limiter = limiter;
    this.#terms = terms;
    const onReply = (): void => {
      this.#outage = undefined;
      this.setReady();
    };
    this.#lease = new QuotaLease({ bucket, limiter, onCapacity, onReply }, terms);
  }

  /** For units that the bucket has handed out. Undefined if they may be used; else the call waits for the decision. */
  reserve(units: number): GrantRequest | undefined {
    return this.isLocal ? undefined : this.#lease.reserve(units);
  }

  /**
   * Milliseconds until the units can be reserved.
   * @param bucketWaitMs The wait according to the bucket.
   */
  waitMs(units: number, bucketWaitMs: number, now: number): number {
    if (this.isBlocked) return CLOSED_RETRY_MS;
    return this.isLocal ? bucketWaitMs : this.#lease.waitMs(units, bucketWaitMs, now);
  }

  /** A queued call waits for these units. */
  prefetch(units: number, now: number): void {
    if (!this.isLocal) this.#lease.prefetch(units, now);
  }

  /** Reserved units are not needed. */
  refund(units: number): void {
    if (!this.isLocal) this.#lease.refund(units);
  }

  /** More was used than reserved. */
  overdraw(units: number): void {
    if (!this.isLocal) this.#lease.overdraw(units);
  }

  /** The provider's headers have corrected the bucket. */
  correct(units: number): void {
    if (!this.isLocal) this.#lease.correct(units);
  }

  override configure(terms: LeaseTerms, members: number): void {
    super.configure(terms, members);
    this.#terms = terms;
    const sharedDepthMs = limiterDepthMs(terms, this.members);
    const maximum = Math.round(terms.limit * sharedDepthMs);
    this.#lease.configure(terms, this.members, maximum);
    this.#bucket.setSharing(sharedDepthMs, this.members);
    // If it fails Redis is unreachable, and the next heartbeat configures again.
    this.#limiter.configure({ rate: terms.limit, maximum }).catch(() => undefined);
  }

  /** The level to create the limiter with if it is not in Redis, in its units. */
  initialLevel(): number {
    const now = performance.now();
    const level = this.#outage
      ? this.#outage.undividedLevel(this.#rate, now)
      : Math.min(this.#bucket.depth, this.#lease.limiterLevel(now));
    return toLimiter(this.#bucket, level);
  }

  override close(): void {
    super.close();
    this.#lease.close();
    this.#limiter.close();
  }

  /** The limiter's refill, in units per millisecond. */
  get #rate(): number {
    return (this.#terms.limit * this.#bucket.limitShare) / 60_000;
  }

  protected override startSharing(): void {
    this.#lease.open();
  }

  protected override startOutage(): void {
    const now = performance.now();
    const limiterLevel = this.#lease.limiterLevel(now);
    const { unused, unreported, requests } = this.#lease.suspend();
    const { share } = this;
    const { depth } = this.#bucket;
    const initialLevel = OutageShare.initialLevel(limiterLevel, depth, share);
    this.#outage = new OutageShare({ initialLevel, depth, share, unreported, now });
    const reserved = requests.reduce((sum, { units }) => sum + units, 0);
    this.#bucket.setShare(share, initialLevel + unused - reserved, now);
    // The newest requests are refused first if the share doesn't cover all.
    for (const request of requests.reverse()) {
      const isGranted = !this.isBlocked && this.#bucket.level(now) >= 0;
      if (!isGranted) this.#bucket.put(request.units, now);
      request.decide(isGranted);
    }
  }

  protected override divideAgain(): void {
    const { share } = this;
    const outage = this.#outage;
    if (!outage || share === outage.share) return;
    const now = performance.now();
    const level = this.#bucket.level(now);
    const unreported = outage.unreported(level, this.#rate, now);
    const initialLevel = level > 0 ? (level * share) / outage.share : level;
    const depth = this.#bucket.depth / outage.share;
    this.#outage = new OutageShare({ initialLevel, depth, share, unreported, now });
    this.#bucket.setShare(share, initialLevel, now);
  }

  protected override endOutage(): void {
    const now = performance.now();
    const level = this.#bucket.level(now);
    const unreported = this.#outage?.unreported(level, this.#rate, now) ?? 0;
    this.#bucket.setShare(1, level, now);
    this.#lease.correct(-unreported);
    this.#lease.open();
  }

  protected override reportUsage(): void {
    const outage = this.#outage;
    if (!outage || outage === this.#reporting) return;
    this.#reporting = outage;
    const now = performance.now();
    const unreported = outage.unreported(this.#bucket.level(now), this.#rate, now);
    this.#take(toLimiter(this.#bucket, unreported))
      .then(() => outage.markReported(unreported))
      // Redis is unreachable again. The next report includes these units.
      .catch(() => undefined)
      .finally(() => {
        if (outage === this.#reporting) this.#reporting = undefined;
      });
  }

  /** Takes what has been used already, which never makes a debt. */
  async #take(units: number): Promise<void> {
    // Bottleneck refills after it takes: in a limiter that nobody has used for a while it would have no effect.
    await this.#limiter.take(0);
    const left = await this.#limiter.take(units);
    const tooLow = Math.min(units, -left);
    if (tooLow > 0) await this.#limiter.take(-tooLow);
  }
}
