import { BucketSharing } from './bucket-sharing';
import { ExternalUsage } from './external-usage';

/** The share of a configured limit that is used: the provider's clock and count are never quite ours. */
const USABLE_SHARE = 0.98;
/**
 * What is left in the bucket, in milliseconds of the limit: an event loop that stalls sends late what was taken in time,
 * closer to what comes after it. With the share above it bears stalls of 600 ms.
 */
const STALL_MARGIN_MS = 400;
/** How far a refusal without headers lowers the rate, how often at most, and how fast that is forgotten. */
const SLOWDOWN = 0.8;
const SLOWDOWN_EVERY_MS = 2_000;
const RECOVERY_PER_MS = 0.3 / 60_000;

export interface BucketOptions {
  /** Units a minute. */
  readonly limit: number;
  /** The depth, in seconds of the limit. */
  readonly burstSeconds: number;
}

/** What a bucket looked like when an attempt was sent: what a header of its answer is compared with. */
export interface BucketSnapshot {
  readonly at: number;
  readonly level: number;
  readonly corrections: number;
  /** Of what was taken, the units that the provider may not have charged yet: output that is still to come. */
  readonly pending: number;
}

/**
 * A token bucket with continuous refill, on the monotonic clock. Between two calls it is only numbers: no timers.
 *
 * Invariant: the level is never above the depth, so in any window of t milliseconds at most depth + rate * t is
 * admitted. A debt (a level below zero) is left by a call larger than the depth or by usage above the estimate, and
 * is paid by the refill.
 */
export class Bucket {
  #limit = 0;
  #burstMs = 0;
  #depth = 0;
  #level = 0;
  #at: number;
  #corrections = 0;
  /** The limit the provider says, over the configured one; at most 1. */
  #limitShare = 1;
  #slowdown = 1;
  /** Units a millisecond: worked out when one of its factors changes, because it is asked for at every decision. */
  #rate = 0;
  #slowedAt = -Infinity;
  readonly #externalRate = new ExternalUsage();
  readonly #sharing = new BucketSharing();
  #observedDepthMs = 0;
  readonly #onCorrected: (units: number) => void;
  /** When the attempt was sent whose answer was heeded last. */
  #lastSnapshotAt = -Infinity;
  /** When the provider last said a lower limit: the levels of earlier marks were on another scale. */
  #limitLoweredAt = -Infinity;

  /** @param onCorrected Told by how much headers have shifted the level. */
  constructor(options: BucketOptions, onCorrected: (units: number) => void = () => undefined) {
    this.#onCorrected = onCorrected;
    this.#at = performance.now();
    this.#setLimit(options);
    this.#level = this.#depth;
  }

  /** Changes the limit. Level and debts stay, so that a reload never refills a bucket. */
  configure(options: BucketOptions): void {
    this.#refill(performance.now());
    this.#setLimit(options);
  }

  /** The limit a minute as the provider counts it, without our safety. */
  get providerLimit(): number {
    return this.limit / USABLE_SHARE;
  }

  /** Units a minute that are handed out at most. */
  get limit(): number {
    return this.#limit * this.#limitShare;
  }

  get depth(): number {
    return this.#depth;
  }

  /** Units a millisecond. */
  get rate(): number {
    return this.#rate;
  }

  /** The limit the provider says, over the configured one; at most 1. */
  get limitShare(): number {
    return this.#limitShare;
  }

  /** How far refusals without headers have lowered the rate; at most 1. */
  get slowdown(): number {
    return this.#slowdown;
  }

  /** Units that are left in the bucket. */
  get headroom(): number {
    return Math.max(this.#externalRate.headroom, STALL_MARGIN_MS * this.#limitRate) * this.#sharing.share;
  }

  /** The largest depth that a header has shown, in milliseconds of the limit; 0 without one. */
  get observedDepthMs(): number {
    return this.#observedDepthMs;
  }

  level(now: number): number {
    this.#refill(now);
    return this.#level;
  }

  /** Milliseconds until `units` fit; 0 when they do now. A call larger than the depth starts on a full bucket. */
  waitMs(units: number, now: number): number {
    this.#refill(now);
    const missing = Math.min(units + this.headroom, this.#depth) - this.#level;
    // A billionth of the depth is rounding, not a missing unit.
    return missing <= this.#depth * 1e-9 ? 0 : missing / this.#rate;
  }

  /** Takes `units`, leaving a debt where they are more than there is. */
  take(units: number, now: number): void {
    this.#refill(now);
    this.#level -= units;
  }

  /** Gives `units` back, never above the depth. */
  put(units: number, now: number): void {
    this.#refill(now);
    this.#level = Math.min(this.#depth, this.#level + units);
  }

  /** @param pending Of what was taken, what the provider may not have charged yet. */
  snapshot(now: number, pending = 0): BucketSnapshot {
    return { at: now, level: this.level(now), corrections: this.#corrections, pending };
  }

  /**
   * Corrects the level from what a header says was left when the marked attempt was admitted. Cumulative: what other
   * answers have corrected since then is not corrected again, and an answer to an attempt older than one that was
   * heeded says nothing new. Whole where it takes, half where it gives; what the provider may not have charged yet is
   * not given.
   */
  correct(snapshot: BucketSnapshot, remaining: number, now: number): void {
    this.#refill(now);
    if (snapshot.at < this.#lastSnapshotAt) return;
    if (snapshot.at <= this.#limitLoweredAt) {
      this.recordRefusalWithRemaining(remaining, now);
      return;
    }
    this.#raiseDepth(remaining);
    const deviation = this.#sharing.withoutPeerUsage(this.#deviation(snapshot, remaining), this.#limitRate);
    // The share of the limit that is never used stays at the bottom of the bucket, where it guards the next call.
    const missing =
      deviation < 0
        ? deviation
        : Math.max(0, deviation - snapshot.pending - (this.providerLimit - this.limit));
    this.#shift(this.#sharing.ownCorrection(missing < 0 ? missing : missing / 2));
    this.#learnExternalUsage(snapshot, missing);
  }

  /**
   * A refusal that says what was left: that, and no more, is left.
   * @param asked What the refused attempt had taken when the mark was made; it has been given back.
   */
  recordRefusalWithRemaining(remaining: number, now: number, snapshot?: BucketSnapshot, asked = 0): void {
    this.#refill(now);
    if (snapshot && snapshot.at > this.#limitLoweredAt)
      this.#learnExternalUsage(snapshot, Math.min(0, this.#deviation(snapshot, remaining - asked)));
    this.#shift(Math.min(0, remaining - this.#level));
  }

  /**
   * In a cluster: so many processes share the bucket, whose depth is this.
   * @param depthMs In milliseconds of the limit.
   */
  setSharing(depthMs: number, members: number): void {
    this.#refill(performance.now());
    this.#sharing.setMembers(members);
    this.#burstMs = depthMs;
    this.#setDepth();
  }

  /** In a cluster: the level is this. What it is off by is what other processes took. */
  syncLevel(level: number, now: number): void {
    this.#refill(now);
    if (this.#level < this.#depth) this.#sharing.observe(this.#level - level, now, this.#limitRate);
    this.#level = Math.min(this.#depth, level);
    this.#setSlowdown(this.#slowdown);
  }

  /** In a cluster: this part of limit and depth is the process's own from now on; 1 is all of it. */
  setShare(share: number, level: number, now: number): void {
    this.#refill(now);
    this.#sharing.setShare(share);
    this.#setSlowdown(this.#slowdown);
    this.#setDepth();
    this.#level = Math.min(this.#depth, level);
  }

  /** Follows a limit the provider says, where it is lower than the configured one. */
  followLimit(statedLimit: number): void {
    const before = this.#limitShare;
    this.#limitShare = Math.min(1, (statedLimit * USABLE_SHARE) / this.#limit);
    if (this.#limitShare < before) this.#limitLoweredAt = performance.now();
    this.#setSlowdown(this.#slowdown);
    this.#depth = Math.min(this.#depth, Math.max(this.limit, (this.limit / 60_000) * this.#burstMs));
    this.#level = Math.min(this.#level, this.#depth);
  }

  /** A refusal that no header explains: nothing is left, and the limit is lower than we thought. */
  recordRefusal(now: number): void {
    this.#refill(now);
    this.#shift(Math.min(0, -this.#level));
    if (now - this.#slowedAt < SLOWDOWN_EVERY_MS) return;
    this.#setSlowdown(this.#slowdown * SLOWDOWN);
    this.#slowedAt = now;
  }

  get #limitRate(): number {
    return this.limit / 60_000;
  }

  /** A full bucket is deeper than we knew. */
  #raiseDepth(remaining: number): void {
    if (remaining <= this.#depth / this.#sharing.share) return;
    this.#observedDepthMs = Math.min(remaining, this.limit) / this.#limitRate;
    // In a cluster all hear of it, and raise the depth together.
    if (!this.#sharing.isShared) this.#depth = Math.min(remaining, this.limit);
  }

  /** How far the level was off what was left, beyond what has been corrected since. */
  #deviation(snapshot: BucketSnapshot, remaining: number): number {
    return remaining - snapshot.level - (this.#corrections - snapshot.corrections);
  }

  #learnExternalUsage(snapshot: BucketSnapshot, missing: number): void {
    const gapMs = snapshot.at - this.#lastSnapshotAt;
    if (gapMs < 0) return;
    this.#lastSnapshotAt = snapshot.at;
    if (gapMs === Infinity) {
      // Nobody knows in what time the first difference came about.
      this.#externalRate.start(this.#limitRate);
      return;
    }
    this.#externalRate.observe(missing, gapMs, this.#limitRate);
    this.#setSlowdown(this.#slowdown);
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
    this.#setSlowdown(this.#slowdown);
  }

  #setDepth(): void {
    this.#depth = this.#limitRate * this.#burstMs * this.#sharing.share;
    this.#level = Math.min(this.#level, this.#depth);
  }

  #setSlowdown(slowdown: number): void {
    this.#slowdown = slowdown;
    const rate = this.#limitRate * slowdown * this.#sharing.share;
    // In a cluster the ledger's own refill counts: what others take of it shows in its answers.
    const externalUsage = Math.min(this.#externalRate.rate, ExternalUsage.MAX_SHARE * rate);
    this.#rate = rate - (this.#sharing.isShared ? this.#sharing.peerRate(rate) : externalUsage);
  }

  #refill(now: number): void {
    const elapsed = now - this.#at;
    // A step back of the clock must neither mint nor take.
    if (elapsed <= 0) return;
    this.#at = now;
    this.#level = Math.min(this.#depth, this.#level + elapsed * this.#rate);
    if (this.#slowdown < 1) this.#setSlowdown(Math.min(1, this.#slowdown + elapsed * RECOVERY_PER_MS));
  }
}
