/** Units that peers may have taken without this process knowing, in milliseconds of the limit. */
const PEER_UNCERTAINTY_MS = 500;
/** Time constant of the peers' usage, in milliseconds: processes come and go within seconds. */
const PEER_USAGE_MEMORY_MS = 2_000;
/** Peers are never taken to use more than this share of a limit. */
const MAX_PEER_SHARE = 0.9;

/** How one bucket of a cluster shares its limit with the other processes. Without a cluster there are none. */
export class BucketSharing {
  #members = 0;
  #share = 1;
  /** Units per millisecond that peers take, as the levels in Redis show. */
  #peerUsage = 0;
  #observedAt = -Infinity;

  /** Whether the bucket belongs to a cluster. */
  get isShared(): boolean {
    return this.#members > 0;
  }

  /** This process's own part of limit and depth: 1 while the limiter in Redis decides. */
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

  /** @param taken Units that Redis has fewer than this process expected; below zero if it has more. */
  observe(taken: number, now: number, limitRate: number): void {
    const gapMs = Math.max(1, now - this.#observedAt);
    this.#observedAt = now;
    if (gapMs === Infinity) return;
    const gain = (1 - Math.exp(-gapMs / PEER_USAGE_MEMORY_MS)) / gapMs;
    this.#peerUsage = Math.min(MAX_PEER_SHARE * limitRate, Math.max(0, this.#peerUsage + gain * taken));
  }

  /** Units per millisecond that peers take of a rate. */
  peerRate(rate: number): number {
    // Never more than their fair share: a process that expected less for itself would ask for less, and lose the rest.
    return Math.min(this.#peerUsage, (1 - 1 / this.#members) * rate);
  }

  /** The part of a deviation from the provider's count that peers can't explain. */
  withoutPeerUsage(deviation: number, limitRate: number): number {
    if (this.#members <= 1) return deviation;
    return Math.sign(deviation) * Math.max(0, Math.abs(deviation) - PEER_UNCERTAINTY_MS * limitRate);
  }

  /** All processes see the same headers, so each corrects its part of the deviation. */
  ownCorrection(units: number): number {
    return units / Math.max(1, this.#members);
  }
}
