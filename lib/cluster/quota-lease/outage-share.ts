/** Of a bucket that is divided because Redis is away, at most this share of its depth is handed out. */
const MAX_DIVIDED_SHARE = 0.25;

export interface OutageStart {
  /** What the ledger holds, as far as is known. */
  readonly limiterLevel: number;
  readonly depth: number;
  /** The process's part of everything. */
  readonly share: number;
  /** Used before, and not told. */
  readonly unreported: number;
  readonly now: number;
}

/**
 * A process's part of a ledger that can't be asked. What it uses meanwhile is told when Redis is back: as the difference
 * to what its part would then be had nobody used it, since that is what a ledger that survived has done by itself.
 */
export class OutageShare {
  readonly share: number;
  readonly #depth: number;
  readonly #initialLevel: number;
  readonly #unreportedBefore: number;
  readonly #since: number;
  #reported = 0;

  constructor({ limiterLevel, depth, share, unreported, now }: OutageStart) {
    this.share = share;
    this.#depth = depth;
    // The others may still reach Redis, or may have taken what we haven't heard of: of a full bucket only a part.
    this.#initialLevel = Math.min(limiterLevel, MAX_DIVIDED_SHARE * depth) * share;
    this.#unreportedBefore = unreported;
    this.#since = now;
  }

  /** What this process starts with. */
  get initialLevel(): number {
    return this.#initialLevel;
  }

  /** What a ledger that Redis has lost would hold, had nobody used it. @param rate Its refill, in units a millisecond. */
  undividedLevel(rate: number, now: number): number {
    return Math.min(this.#depth, this.#unused(rate, now) / this.share);
  }

  /** Units used that Redis doesn't know of. @param level What is left of this process's part. */
  unreported(level: number, rate: number, now: number): number {
    return this.#unused(rate, now) + this.#unreportedBefore - level - this.#reported;
  }

  markReported(units: number): void {
    this.#reported += units;
  }

  #unused(rate: number, now: number): number {
    return Math.min(this.#depth * this.share, this.#initialLevel + rate * this.share * (now - this.#since));
  }
}
