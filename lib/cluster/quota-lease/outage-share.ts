/** Of a bucket that is divided because Redis is unreachable, at most this share of its depth is handed out. */
const MAX_DIVIDED_SHARE = 0.25;

export interface OutageShareStart {
  /** What this process may use at once. */
  readonly initialLevel: number;
  readonly depth: number;
  /** This process's part of limit and depth. */
  readonly share: number;
  /** Used before and not reported. */
  readonly unreported: number;
  readonly now: number;
}

/**
 * A process's part of a limiter that is unreachable. What it uses is reported afterwards, as the difference to what its
 * part would then hold had nobody used it: that is what a limiter that survived has refilled meanwhile.
 */
export class OutageShare {
  readonly #start: OutageShareStart;
  #reported = 0;

  constructor(start: OutageShareStart) {
    this.#start = start;
  }

  /** Peers may still reach Redis, or have used units unseen, so of a full bucket only a part is divided. */
  static initialLevel(limiterLevel: number, depth: number, share: number): number {
    return Math.min(limiterLevel, MAX_DIVIDED_SHARE * depth) * share;
  }

  get share(): number {
    return this.#start.share;
  }

  /** The level to create the limiter with, if Redis has lost it. @param rate Refill of the limiter, in units per millisecond. */
  undividedLevel(rate: number, now: number): number {
    return Math.min(this.#start.depth, this.#unusedLevel(rate, now) / this.share);
  }

  /** Units used that Redis doesn't know of. @param level What is left of this process's part. */
  unreported(level: number, rate: number, now: number): number {
    return this.#unusedLevel(rate, now) + this.#start.unreported - level - this.#reported;
  }

  markReported(units: number): void {
    this.#reported += units;
  }

  #unusedLevel(rate: number, now: number): number {
    const { depth, share, initialLevel, now: since } = this.#start;
    return Math.min(depth * share, initialLevel + rate * share * (now - since));
  }
}
