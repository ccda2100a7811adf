import { BucketSharing } from './bucket-sharing';
import type { BucketOptions, BucketSnapshot } from './bucket-snapshot';
import { ExternalUsage } from './external-usage';
import { ReportedLimit } from './reported-limit';
import { Slowdown } from './slowdown';

/** Share of a limit that is handed out. The rest covers differences between the provider's clock and count and ours. */
const USABLE_SHARE = 0.98;
/**
 * Units that are kept in the bucket as a reserve, in milliseconds of refill at the limit: after a stall of the event
 * loop, late calls go out closer to the next ones. Together with the 2 % of the limit that are never handed out, the
 * reserve covers stalls of up to 600 ms.
 */
const STALL_MARGIN_MS = 400;

/**
 * The slowdown factor is rounded up to a multiple of 1 / SHARED_STEPS before peers see it, so that the shared limit
 * changes seldom.
 */
const SHARED_STEPS = 20;

/**
 * A token bucket with continuous refill on the monotonic clock, without timers.
 * Invariant: the level is never above the depth, so in any window of t milliseconds at most depth + rate * t is
 * admitted. A call larger than the depth, or usage above the estimate, leaves a debt: a level below zero.
 */
export class Bucket {
  #limit = 0;
  #burstMs = 0;
  #depth = 0;
  #level = 0;
  #at: number;
  #corrections = 0;
  readonly #reported = new ReportedLimit();
  readonly #slowdown = new Slowdown();
  /** Units per millisecond. Cached, as are the next two fields, because every routing decision reads them. */
  #rate = 0;
  #headroom = 0;
  /** True if no external usage, reported limit or slowdown is in effect, so the level rises at a constant rate. */
  #isSteady = true;
  readonly #externalUsage = new ExternalUsage();
  readonly #sharing = new BucketSharing();
  #observedDepthMs = 0;
  readonly #onCorrected: (units: number) => void;
  /** When the attempt was sent whose headers were applied last. */
  #lastSnapshotAt = -Infinity;

  /** @param onCorrected Called with the units (negative: fewer) by which response headers have changed the level. */
  constructor(options: BucketOptions, onCorrected: (units: number) => void = () => undefined) {
    this.#onCorrected = onCorrected;
    this.#at = performance.now();
    this.#setLimit(options);
    this.#level = this.#depth;
  }

  /** Changes the limit. Keeps level and debt, so that a reload never refills a bucket. */
  configure(options: BucketOptions): void {
    this.#refill(performance.now());
    this.#setLimit(options);
  }

  get configuredLimit(): number {
    return Math.round(this.#limit / USABLE_SHARE);
  }

  /** Units per minute that the provider allows: the configured limit, or a lower one reported in headers. */
  get providerLimit(): number {
    return this.limit / USABLE_SHARE;
  }

  /**
   * Units per minute that the processes of a cluster share, including the slowdown after refusals. The factor is
   * rounded up so that the figure changes seldom.
   */
  get sharedLimit(): number {
    return this.limit * (Math.ceil(this.#slowdown.factor * SHARED_STEPS) / SHARED_STEPS);
  }

  /** Most units handed out per minute: slightly fewer than the provider allows. */
  get limit(): number {
    return this.#limit * this.#reported.share;
  }

  get depth(): number {
    return this.#depth;
  }

  /** The refill, in units per millisecond. */
  get rate(): number {
    return this.#rate;
  }

  get headroom(): number {
    return this.#headroom;
  }

  /**
   * The largest `remaining` in headers that exceeded our depth, in milliseconds of refill at the limit: the provider's
   * bucket is at least this deep. 0 if there was none.
   */
  get observedDepthMs(): number {
    return this.#observedDepthMs;
  }

  level(now: number): number {
    this.#refill(now);
    return this.#level;
  }

  /**
   * Milliseconds until `units` can be taken; 0 if they can now. A call larger than the depth can start once the bucket
   * is full.
   */
  waitMs(units: number, now: number): number {
    this.#refill(now);
    const missing = Math.min(units + this.#headroom, this.#depth) - this.#level;
    // Anything below a billionth of the depth is a rounding error.
    if (missing <= this.#depth * 1e-9) return 0;
    const ms = missing / this.#rate;
    const { share } = this.#reported;
    if (share === 1) return ms;
    // Once the limit reported in headers expires, the bucket refills at the configured rate.
    return Math.min(ms, this.#reported.msUntilForgotten(now) + ms * share);
  }

  /** Takes `units`; a level below zero is a debt. */
  take(units: number, now: number): void {
    this.#refill(now);
    this.#level -= units;
  }

  /** Returns `units` to the bucket; the level never exceeds the depth. */
  put(units: number, now: number): void {
    this.#refill(now);
    this.#level = Math.min(this.#depth, this.#level + units);
  }

  snapshot(now: number, pending = 0): BucketSnapshot {
    return { at: now, level: this.level(now), corrections: this.#corrections, pending };
  }

  /**
   * Corrects the level from the `remaining` in the response headers of the attempt that `snapshot` belongs to.
   * Corrections made since the snapshot are not applied again; headers of an attempt sent before the one applied last
   * are ignored. A lower level is adopted in full. A higher one is adopted by half, after subtracting what the provider
   * may not have charged yet.
   */
  correct(snapshot: BucketSnapshot, remaining: number, now: number): void {
    this.#refill(now);
    if (snapshot.at < this.#lastSnapshotAt) return;
    if (this.#reported.wasLoweredSince(snapshot.at)) {
      this.recordRefusalWithRemaining(remaining, now);
      return;
    }
    this.#raiseDepth(remaining);
    const deviation = this.#sharing.withoutPeerUsage(this.#deviation(snapshot, remaining), this.#limitRate);
    // The share of the limit that is never handed out stays in the provider's bucket and must not be added to ours.
    const missing =
      deviation < 0
        ? deviation
        : Math.max(0, deviation - snapshot.pending - (this.providerLimit - this.limit));
    this.#shift(this.#sharing.ownCorrection(missing < 0 ? missing : missing / 2));
    this.#learnExternalUsage(snapshot, missing, now);
  }

  /**
   * Handles a refusal whose headers show what is left: lowers the level to that, but never raises it.
   * @param asked Units that the refused attempt had taken before the snapshot. They have been returned since.
   */
  recordRefusalWithRemaining(remaining: number, now: number, snapshot?: BucketSnapshot, asked = 0): void {
    this.#refill(now);
    if (snapshot && !this.#reported.wasLoweredSince(snapshot.at))
      this.#learnExternalUsage(snapshot, Math.min(0, this.#deviation(snapshot, remaining - asked)), now);
    this.#shift(Math.min(0, remaining - this.#level));
  }

  /**
   * In a cluster: sets the depth and the number of processes that share the bucket.
   * @param depthMs The depth, in milliseconds of refill at the limit.
   */
  setSharing(depthMs: number, members: number): void {
    this.#refill(performance.now());
    this.#sharing.setMembers(members);
    this.#burstMs = depthMs;
    this.#setDepth();
  }

  /** In a cluster: sets the level to the one in Redis. The difference is learnt as usage by peers. */
  syncLevel(level: number, now: number): void {
    this.#refill(now);
    if (this.#level < this.#depth) this.#sharing.observe(this.#level - level, now, this.#limitRate);
    this.#level = Math.min(this.#depth, level);
    this.#updateRate();
  }

  /** In a cluster: sets the share (0 to 1) of limit and depth that this process owns, and the level. */
  setShare(share: number, level: number, now: number): void {
    this.#refill(now);
    this.#sharing.setShare(share);
    this.#updateRate();
    this.#setDepth();
    this.#level = Math.min(this.#depth, level);
  }

  /** Applies a limit from the provider's headers if it is lower than the configured one, until it expires. */
  followLimit(reportedLimit: number): void {
    const now = performance.now();
    this.#refill(now);
    this.#reported.observe((reportedLimit * USABLE_SHARE) / this.#limit, now);
    this.#updateRate();
    this.#depth = Math.min(this.#depth, Math.max(this.limit, (this.limit / 60_000) * this.#burstMs));
    this.#level = Math.min(this.#level, this.#depth);
  }

  /**
   * Handles a refusal without headers: lowers the level to zero and slows the refill, as the real limit must be lower
   * than the configured one.
   */
  recordRefusal(now: number): void {
    this.#refill(now);
    this.#shift(Math.min(0, -this.#level));
    this.#slowdown.recordRefusal(now);
    this.#updateRate();
  }

  /** Drops the reported limit and the rate of external usage once they have expired. */
  #forgetHeaders(now: number): void {
    const isLimitForgotten = this.#reported.forget(now);
    if (isLimitForgotten) this.#setDepth();
    if (this.#externalUsage.forget(now) || isLimitForgotten) this.#updateRate();
  }

  get #limitRate(): number {
    return this.limit / 60_000;
  }

  /** Deepens the bucket if headers show more units left than it holds: the provider's bucket is deeper then. */
  #raiseDepth(remaining: number): void {
    if (remaining <= this.#depth / this.#sharing.share) return;
    this.#observedDepthMs = Math.min(remaining, this.limit) / this.#limitRate;
    // In a cluster all processes raise the shared depth together.
    if (!this.#sharing.isShared) this.#depth = Math.min(remaining, this.limit);
  }

  /** `remaining` minus the level at the snapshot, without the corrections made since. */
  #deviation(snapshot: BucketSnapshot, remaining: number): number {
    return remaining - snapshot.level - (this.#corrections - snapshot.corrections);
  }

  #learnExternalUsage(snapshot: BucketSnapshot, missing: number, now: number): void {
    const gapMs = snapshot.at - this.#lastSnapshotAt;
    if (gapMs < 0) return;
    this.#lastSnapshotAt = snapshot.at;
    if (gapMs === Infinity) {
      // The time over which the first deviation built up is unknown, so no rate can be computed from it.
      this.#externalUsage.start(this.#limitRate, now);
    } else this.#externalUsage.observe(missing, gapMs, this.#limitRate, now);
    this.#updateRate();
  }

  #shift(units: number): void {
    const before = this.#level;
    this.#level = Math.min(this.#depth, before + units);
    this.#corrections += this.#level - before;
    if (this.#level !== before) this.#onCorrected(this.#level - before);
  }

  #setLimit({ limit, burstSeconds }: BucketOptions): void {
    this.#limit = limit * USABLE_SHARE;
    this.#burstMs = burstSeconds * 1_000;
    this.#setDepth();
    this.#updateRate();
  }

  #setDepth(): void {
    this.#depth = this.#limitRate * this.#burstMs * this.#sharing.share;
    this.#level = Math.min(this.#level, this.#depth);
  }

  #updateRate(): void {
    const rate = this.#limitRate * this.#slowdown.factor * this.#sharing.share;
    // In a cluster Redis does the refill, and the level in Redis already reflects external usage.
    const externalRate = Math.min(this.#externalUsage.rate, ExternalUsage.MAX_SHARE * rate);
    this.#rate = rate - (this.#sharing.isShared ? this.#sharing.peerRate(rate) : externalRate);
    this.#headroom =
      Math.max(this.#externalUsage.headroom, STALL_MARGIN_MS * this.#limitRate) * this.#sharing.share;
    this.#isSteady =
      this.#reported.share === 1 && this.#slowdown.factor === 1 && this.#externalUsage.rate === 0;
  }

  #refill(now: number): void {
    const elapsed = now - this.#at;
    // A clock that jumps back changes nothing.
    if (elapsed <= 0) return;
    if (!this.#isSteady) this.#forgetHeaders(now);
    this.#at = now;
    this.#level = Math.min(this.#depth, this.#level + elapsed * this.#rate);
    if (!this.#isSteady && this.#slowdown.recover(elapsed)) this.#updateRate();
  }
}
