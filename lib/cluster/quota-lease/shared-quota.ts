import { startTimer, type Timer } from '../../util/timers';
import type { ClusterMode, OutageMode } from '../options';
import type { GrantRequest } from './grant-request';
import { CLOSED_RETRY_MS, FLUSH_MS, type LeaseTerms, limiterDepthMs } from './lease-terms';
import { LimiterUnits } from './limiter-units';
import { OutageShare } from './outage-share';
import type { LeasedBucket, SharedLimiter } from './ports';
import { QuotaLease } from './quota-lease';

/** After an outage a process reports its usage this many times, a flush apart, before it asks for more. */
const REJOIN_STEPS = 4;

type State =
  | { readonly kind: 'starting' }
  | { readonly kind: 'shared' }
  /** Redis is unreachable. */
  | { readonly kind: 'local'; readonly mode: OutageMode }
  /** Redis is reachable again. The process keeps to its share until all peers have reported their usage. */
  | { readonly kind: 'rejoining'; timer: Timer; isReporting: boolean }
  | { readonly kind: 'closed' };

/**
 * One limit of a quota that many processes share. The bucket answers at once; what it hands out is covered by a lease, so
 * that most calls cost no round trip. A call that the lease doesn't cover waits for the next one. While Redis is
 * unreachable each process goes on with its share.
 */
export class SharedQuota {
  readonly #bucket: LeasedBucket;
  readonly #limiter: SharedLimiter;
  readonly #units: LimiterUnits;
  readonly #lease: QuotaLease;
  #state: State = { kind: 'starting' };
  #members = 1;
  #terms: LeaseTerms;
  /** From the start of an outage until the limiter has answered after it. */
  #outage: OutageShare | undefined;
  #resolveReady: () => void = () => undefined;
  /** Resolves when the limiter has answered, or is known to be unreachable. */
  readonly ready = new Promise<void>((resolve) => {
    this.#resolveReady = resolve;
  });

  /** @param onCapacity Called when a lease has come in that a queued call may be waiting for. */
  constructor(bucket: LeasedBucket, limiter: SharedLimiter, terms: LeaseTerms, onCapacity: () => void) {
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

  /** For units that the bucket has handed out. Undefined if they may be used; else the call waits for the decision. */
  reserve(units: number): GrantRequest | undefined {
    return this.#isLocal ? undefined : this.#lease.reserve(units);
  }

  /**
   * Milliseconds until the units can be reserved.
   * @param bucketWaitMs The wait according to the bucket.
   */
  waitMs(units: number, bucketWaitMs: number, now: number): number {
    if (this.#state.kind === 'local' && this.#state.mode === 'closed') return CLOSED_RETRY_MS;
    return this.#isLocal ? bucketWaitMs : this.#lease.waitMs(units, bucketWaitMs, now);
  }

  /** A queued call waits for these units. */
  prefetch(units: number, now: number): void {
    if (!this.#isLocal) this.#lease.prefetch(units, now);
  }

  /** Reserved units are not needed. */
  refund(units: number): void {
    if (!this.#isLocal) this.#lease.refund(units);
  }

  /** More was used than reserved. */
  overdraw(units: number): void {
    if (!this.#isLocal) this.#lease.overdraw(units);
  }

  /** The provider's headers have corrected the bucket. */
  correct(units: number): void {
    if (!this.#isLocal) this.#lease.correct(units);
  }

  configure(terms: LeaseTerms, members: number): void {
    this.#terms = terms;
    this.#members = Math.max(1, members);
    const sharedDepthMs = limiterDepthMs(terms, this.#members);
    const maximum = Math.round(terms.limit * sharedDepthMs);
    this.#lease.configure(terms, this.#members, maximum);
    this.#bucket.setSharing(sharedDepthMs, this.#members);
    // If it fails Redis is unreachable, and the next heartbeat configures again.
    this.#limiter.configure({ rate: terms.limit, maximum }).catch(() => undefined);
    this.#updateShare(performance.now());
  }

  setMode(mode: ClusterMode, now: number): void {
    if (mode === 'starting' || this.#state.kind === 'closed') return;
    if (mode !== 'shared') {
      const wasLocal = this.#isLocal;
      this.#stopRejoining();
      this.#state = { kind: 'local', mode };
      if (wasLocal) this.#updateShare(now);
      else this.#startOutage(mode, now);
    } else if (this.#state.kind === 'local') {
      this.#rejoin(REJOIN_STEPS);
    } else if (this.#state.kind === 'starting') {
      this.#state = { kind: 'shared' };
      this.#lease.open();
    }
  }

  /** The level to create the limiter with if it is not in Redis, in its units. */
  initialLevel(): number {
    const now = performance.now();
    const level = this.#outage
      ? this.#outage.undividedLevel(this.#rate, now)
      : Math.min(this.#bucket.depth, this.#lease.limiterLevel(now));
    return this.#units.toLimiter(level);
  }

  close(): void {
    this.#stopRejoining();
    this.#state = { kind: 'closed' };
    this.#lease.close();
    this.#resolveReady();
    this.#limiter.close();
  }

  get #isLocal(): boolean {
    return this.#state.kind !== 'shared' && this.#state.kind !== 'starting';
  }

  /** The limiter's refill, in units per millisecond. */
  get #rate(): number {
    return (this.#terms.limit * this.#bucket.limitShare) / 60_000;
  }

  #startOutage(mode: OutageMode, now: number): void {
    const limiterLevel = this.#lease.limiterLevel(now);
    const { unused, unreported, requests } = this.#lease.suspend();
    const share = this.#shareFor(mode);
    const { depth } = this.#bucket;
    const initialLevel = OutageShare.initialLevel(limiterLevel, depth, share);
    this.#outage = new OutageShare({ initialLevel, depth, share, unreported, now });
    const reserved = requests.reduce((sum, { units }) => sum + units, 0);
    this.#bucket.setShare(share, initialLevel + unused - reserved, now);
    this.#resolveReady();
    // The newest requests are refused first if the share doesn't cover all.
    for (const request of requests.reverse()) {
      const isGranted = mode !== 'closed' && this.#bucket.level(now) >= 0;
      if (!isGranted) this.#bucket.put(request.units, now);
      request.decide(isGranted);
    }
  }

  #shareFor(mode: OutageMode): number {
    return mode === 'local-share' ? 1 / this.#members : 1;
  }

  /** The share follows the number of processes. What is left of it is divided again. */
  #updateShare(now: number): void {
    const outage = this.#outage;
    if (this.#state.kind !== 'local' || !outage) return;
    const share = this.#shareFor(this.#state.mode);
    if (share === outage.share) return;
    const level = this.#bucket.level(now);
    const unreported = outage.unreported(level, this.#rate, now);
    const initialLevel = level > 0 ? (level * share) / outage.share : level;
    const depth = this.#bucket.depth / outage.share;
    this.#outage = new OutageShare({ initialLevel, depth, share, unreported, now });
    this.#bucket.setShare(share, initialLevel, now);
  }

  /** Keeps to the share for a second: the first process to return would get the shares of those that haven't reported yet. */
  #rejoin(steps: number): void {
    const now = performance.now();
    const unreported = this.#outage?.unreported(this.#bucket.level(now), this.#rate, now) ?? 0;
    const isReporting = this.#state.kind === 'rejoining' && this.#state.isReporting;
    if (steps === 0) {
      this.#state = { kind: 'shared' };
      this.#bucket.setShare(1, this.#bucket.level(now), now);
      this.#lease.correct(-unreported);
      this.#lease.open();
      return;
    }
    const timer = startTimer(() => this.#rejoin(steps - 1), FLUSH_MS).unref();
    this.#state = { kind: 'rejoining', timer, isReporting };
    if (!isReporting) void this.#reportUsage(unreported);
  }

  #stopRejoining(): void {
    if (this.#state.kind === 'rejoining') clearTimeout(this.#state.timer);
  }

  async #reportUsage(unreported: number): Promise<void> {
    const outage = this.#outage;
    const setReporting = (isReporting: boolean): void => {
      if (this.#state.kind === 'rejoining' && outage === this.#outage) this.#state.isReporting = isReporting;
    };
    setReporting(true);
    try {
      const units = this.#units.toLimiter(unreported);
      // Bottleneck refills after it takes: in a limiter that nobody has used for a while the report would have no effect.
      await this.#limiter.take(0);
      const left = await this.#limiter.take(units);
      outage?.markReported(unreported);
      // A report never makes a debt.
      const tooLow = Math.min(units, -left);
      if (tooLow > 0) await this.#limiter.take(-tooLow);
    } catch {
      // Redis is unreachable again. The next report includes these units.
    } finally {
      setReporting(false);
    }
  }
}
