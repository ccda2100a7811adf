import { BucketSharing } from './bucket-sharing';
import { ExternalUsage } from './external-usage';
import { ReportedLimit } from './reported-limit';
import { Slowdown } from './slowdown';

/** The share of a limit that is handed out, because the provider's clock and count differ slightly from ours. */
const USABLE_SHARE = 0.98;
/**
 * Units kept in the bucket, in milliseconds of the limit: a stalled event loop sends calls late and closer to the next
 * ones. Together with the share above this covers stalls of 600 ms.
 */
const STALL_MARGIN_MS = 400;

/** The steps in which a refusal's effect on the limit is shared with peers. */
const SHARED_STEPS = 20;

export interface BucketOptions {
  /** Units per minute. */
  readonly limit: number;
  readonly burstSeconds: number;
}

/** The state of a bucket when an attempt was sent, to be compared with the headers of its answer. */
export interface BucketSnapshot {
  readonly at: number;
  readonly level: number;
  /** The sum of all corrections until then. */
  readonly corrections: number;
  /** Units already taken that the provider may not have charged yet: output that is still to come. */
  readonly pending: number;
}

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
  /** Units per millisecond. It and the next two are cached, because every routing decision reads them. */
  #rate = 0;
  #headroom = 0;
  /** Whether nothing that headers or refusals have shown still fades: the level then rises by the rate alone. */
  #isSteady = true;
  readonly #externalUsage = new ExternalUsage();
  readonly #sharing = new BucketSharing();
  #observedDepthMs = 0;
  readonly #onCorrected: (units: number) => void;
  /** When the attempt was sent whose headers were taken into account last. */
  #lastSnapshotAt = -Infinity;

  /** @param onCorrected Called with the units by which headers have shifted the level. */
  constructor(options: BucketOptions, onCorrected: (units: number) => void = () => undefined) {
    this.#onCorrected = onCorrected;
    this.#at = performance.now();
    this.#setLimit(options);
    this.#level = this.#depth;
  }

  /** Changes the limit. Level and debt stay, so that a reload never refills a bucket. */
  configure(options: BucketOptions): void {
    this.#refill(performance.now());
    this.#setLimit(options);
  }

  get configuredLimit(): number {
    return Math.round(this.#limit / USABLE_SHARE);
  }

  /** Units per minute that the provider allows. */
  get providerLimit(): number {
    return this.limit / USABLE_SHARE;
  }

  /** Units per minute that processes of a cluster share, rounded so that it changes seldom. */
  get sharedLimit(): number {
    return this.limit * (Math.ceil(this.#slowdown.factor * SHARED_STEPS) / SHARED_STEPS);
  }

  /** Units per minute that are handed out at most: slightly fewer than the provider allows. */
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

  /** The largest depth that headers have shown, in milliseconds of the limit; 0 if none has. */
  get observedDepthMs(): number {
    return this.#observedDepthMs;
  }

  level(now: number): number {
    this.#refill(now);
    return this.#level;
  }

  /** Milliseconds until `units` fit; 0 if they fit now. A call larger than the depth starts on a full bucket. */
  waitMs(units: number, now: number): number {
    this.#refill(now);
    const missing = Math.min(units + this.#headroom, this.#depth) - this.#level;
    // Less than a billionth of the depth is a rounding error.
    if (missing <= this.#depth * 1e-9) return 0;
    const ms = missing / this.#rate;
    const { share } = this.#reported;
    if (share === 1) return ms;
    // Once the limit in the headers is forgotten, the bucket refills as configured.
    return Math.min(ms, this.#reported.msUntilForgotten(now) + ms * share);
  }

  /** Takes `units`, leaving a debt if they are more than the level. */
  take(units: number, now: number): void {
    this.#refill(now);
    this.#level -= units;
  }

  /** Gives `units` back, never above the depth. */
  put(units: number, now: number): void {
    this.#refill(now);
    this.#level = Math.min(this.#depth, this.#level + units);
  }

  snapshot(now: number, pending = 0): BucketSnapshot {
    return { at: now, level: this.level(now), corrections: this.#corrections, pending };
  }

  /**
   * Corrects the level from the `remaining` that a header shows for the moment of the snapshot. Corrections since then are
   * not applied twice, and an attempt sent before the last one taken into account is ignored. A lower level is taken over
   * whole; a higher one by half, and without what the provider may not have charged yet.
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
    // The share of the limit that is never handed out stays in the provider's bucket.
    const missing =
      deviation < 0
        ? deviation
        : Math.max(0, deviation - snapshot.pending - (this.providerLimit - this.limit));
    this.#shift(this.#sharing.ownCorrection(missing < 0 ? missing : missing / 2));
    this.#learnExternalUsage(snapshot, missing, now);
  }

  /**
   * A refusal whose headers show what is left: the level becomes that, unless it is lower already.
   * @param asked Units that the refused attempt had taken at the snapshot. They have been given back since.
   */
  recordRefusalWithRemaining(remaining: number, now: number, snapshot?: BucketSnapshot, asked = 0): void {
    this.#refill(now);
    if (snapshot && !this.#reported.wasLoweredSince(snapshot.at))
      this.#learnExternalUsage(snapshot, Math.min(0, this.#deviation(snapshot, remaining - asked)), now);
    this.#shift(Math.min(0, remaining - this.#level));
  }

  /**
   * In a cluster: sets the number of processes that share the bucket.
   * @param depthMs The depth, in milliseconds of the limit.
   */
  setSharing(depthMs: number, members: number): void {
    this.#refill(performance.now());
    this.#sharing.setMembers(members);
    this.#burstMs = depthMs;
    this.#setDepth();
  }

  /** In a cluster: sets the level to that in Redis. The difference is what other processes took. */
  syncLevel(level: number, now: number): void {
    this.#refill(now);
    if (this.#level < this.#depth) this.#sharing.observe(this.#level - level, now, this.#limitRate);
    this.#level = Math.min(this.#depth, level);
    this.#updateRate();
  }

  /** In a cluster: sets the share of limit and depth that this process owns; 1 is all of it. */
  setShare(share: number, level: number, now: number): void {
    this.#refill(now);
    this.#sharing.setShare(share);
    this.#updateRate();
    this.#setDepth();
    this.#level = Math.min(this.#depth, level);
  }

  /** Follows a limit in the provider's headers if it is lower than the configured one. */
  followLimit(reportedLimit: number): void {
    const now = performance.now();
    this.#refill(now);
    this.#reported.observe((reportedLimit * USABLE_SHARE) / this.#limit, now);
    this.#updateRate();
    this.#depth = Math.min(this.#depth, Math.max(this.limit, (this.limit / 60_000) * this.#burstMs));
    this.#level = Math.min(this.#level, this.#depth);
  }

  /** A refusal without headers: nothing is left, and the real limit is lower than the configured one. */
  recordRefusal(now: number): void {
    this.#refill(now);
    this.#shift(Math.min(0, -this.#level));
    this.#slowdown.recordRefusal(now);
    this.#updateRate();
  }

  /** What headers have shown counts for a limited time. */
  #forgetHeaders(now: number): void {
    const isLimitForgotten = this.#reported.forget(now);
    if (isLimitForgotten) this.#setDepth();
    if (this.#externalUsage.forget(now) || isLimitForgotten) this.#updateRate();
  }

  get #limitRate(): number {
    return this.limit / 60_000;
  }

  /** The provider shows more than our depth: its bucket is deeper. */
  #raiseDepth(remaining: number): void {
    if (remaining <= this.#depth / this.#sharing.share) return;
    this.#observedDepthMs = Math.min(remaining, this.limit) / this.#limitRate;
    // In a cluster the depth is shared, and all processes raise it together.
    if (!this.#sharing.isShared) this.#depth = Math.min(remaining, this.limit);
  }

  /** What was left minus the level at the snapshot, without what has been corrected since. */
  #deviation(snapshot: BucketSnapshot, remaining: number): number {
    return remaining - snapshot.level - (this.#corrections - snapshot.corrections);
  }

  #learnExternalUsage(snapshot: BucketSnapshot, missing: number, now: number): void {
    const gapMs = snapshot.at - this.#lastSnapshotAt;
    if (gapMs < 0) return;
    this.#lastSnapshotAt = snapshot.at;
    if (gapMs === Infinity) {
      // The time over which the first deviation came about is unknown.
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
    // In a cluster the refill in Redis counts, and what others take shows in its level.
    const externalRate = Math.min(this.#externalUsage.rate, ExternalUsage.MAX_SHARE * rate);
    this.#rate = rate - (this.#sharing.isShared ? this.#sharing.peerRate(rate) : externalRate);
    this.#headroom =
      Math.max(this.#externalUsage.headroom, STALL_MARGIN_MS * this.#limitRate) * this.#sharing.share;
    this.#isSteady =
      this.#reported.share === 1 && this.#slowdown.factor === 1 && this.#externalUsage.rate === 0;
  }

  #refill(now: number): void {
    const elapsed = now - this.#at;
    // A clock that steps back neither adds nor takes anything.
    if (elapsed <= 0) return;
    if (!this.#isSteady) this.#forgetHeaders(now);
    this.#at = now;
    this.#level = Math.min(this.#depth, this.#level + elapsed * this.#rate);
    if (!this.#isSteady && this.#slowdown.recover(elapsed)) this.#updateRate();
  }
}
