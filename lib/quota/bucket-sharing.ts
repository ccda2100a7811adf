/**
 * Allowance for units that peers have taken without this process knowing it yet, in milliseconds of refill at the
 * limit.
 */
const PEER_UNCERTAINTY_MS = 500;
/**
 * Time constant of the estimate of the peers' usage, in milliseconds. It is short because processes come and go within
 * seconds.
 */
const PEER_USAGE_MEMORY_MS = 2_000;
/** Cap on the estimated usage by peers, as a share of the limit. */
const MAX_PEER_SHARE = 0.9;

/**
 * How one bucket shares its limit with the other processes of a cluster. Without a cluster the number of members is 0
 * and the share is 1.
 */
export class BucketSharing {
  #members = 0;
  #share = 1;
  /** Units per millisecond that peers take, learnt from the levels in Redis. */
  #peerUsage = 0;
  #observedAt = -Infinity;

  /** Whether the bucket belongs to a cluster. */
  get isShared(): boolean {
    return this.#members > 0;
  }

  /** This process's share (0 to 1) of limit and depth; 1 while Redis is reachable and its limiter decides. */
  get share(): number {
    return this.#share;
  }

  setMembers(members: number): void {
    this.#members = members;
  }

  setShare(share: number): void {
    this.#share = share;
    this.#peerUsage = 0;
    this.#observedAt = -Infinity;
  }

  /**
   * Updates the estimate of the peers' usage.
   * @param taken By how many units the level in Redis is below what this process expected; negative if it is above.
   */
  observe(taken: number, now: number, limitRate: number): void {
    const gapMs = Math.max(1, now - this.#observedAt);
    this.#observedAt = now;
    if (gapMs === Infinity) return;
    const gain = (1 - Math.exp(-gapMs / PEER_USAGE_MEMORY_MS)) / gapMs;
    this.#peerUsage = Math.min(MAX_PEER_SHARE * limitRate, Math.max(0, this.#peerUsage + gain * taken));
  }

  /** Units per millisecond of `rate` that peers are expected to take. */
  peerRate(rate: number): number {
    // Capped at the peers' fair share: a process that left more than that to its peers would request less than its own
    // share and lose the difference to them.
    return Math.min(this.#peerUsage, (1 - 1 / this.#members) * rate);
  }

  /**
   * Reduces the difference between the provider's count and ours by what peers may have taken unnoticed; 0 if they
   * explain it.
   */
  withoutPeerUsage(deviation: number, limitRate: number): number {
    if (this.#members <= 1) return deviation;
    return Math.sign(deviation) * Math.max(0, Math.abs(deviation) - PEER_UNCERTAINTY_MS * limitRate);
  }

  /** This process's part of a correction: all processes see the same headers, and each corrects an equal part. */
  ownCorrection(units: number): number {
    return units / Math.max(1, this.#members);
  }
}
