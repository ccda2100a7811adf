import type { Cost } from './cost';
import type { QuotaLimit } from './limits';

/** How long figures are cached if nothing but time changes them, in milliseconds. */
const LIFETIME_MS = 5;

/** Indexes in the array: AT of each figure, or of the first in a group of four; PLACE of a dimension within a group. */
const AT = { until: 0, usedShare: 1, room: 2, allowed: 6 } as const;
const PLACE = { requests: 0, tokens: 1, input: 2, output: 3 } as const;

/**
 * The figures of a quota that routing reads for every endpoint in every decision, in one flat array. They are computed
 * again after each change, and after a few milliseconds, because levels rise.
 */
export class QuotaFigures {
  readonly #limits: readonly QuotaLimit[];
  readonly #canTell: boolean;
  readonly #figures = new Float64Array(10).fill(Infinity);

  /**
   * @param canTell False if the limits are shared in a cluster: then `hasRoom` is always false, and the caller must ask
   *   each limit.
   */
  constructor(limits: readonly QuotaLimit[], canTell: boolean) {
    this.#limits = limits;
    this.#canTell = canTell;
    for (const limit of limits) {
      limit.onChange = () => this.#forget();
      this.#lower(AT.allowed, limit, limit.allowed);
    }
    this.#forget();
  }

  /** Whether this cost alone exceeds no limit. */
  allows(cost: Cost): boolean {
    return this.#fits(cost, AT.allowed);
  }

  /** True if the cost certainly fits now. False is not conclusive: the cost may fit all the same. */
  hasRoom(cost: Cost, now: number): boolean {
    this.#refresh(now);
    return this.#fits(cost, AT.room);
  }

  /** Used share of the scarcest limit per minute, 0 to 1. */
  usedShare(now: number): number {
    this.#refresh(now);
    return this.#figures[AT.usedShare] as number;
  }

  #forget(): void {
    this.#figures[AT.until] = -Infinity;
  }

  #refresh(now: number): void {
    const figures = this.#figures;
    const until = figures[AT.until] as number;
    // A clock that jumps back also invalidates the figures.
    if (now < until && now >= until - LIFETIME_MS) return;
    figures[AT.until] = now + LIFETIME_MS;
    figures.fill(Infinity, AT.room, AT.room + 4);
    if (!this.#canTell) figures[AT.room] = 0;
    let used = 0;
    for (const limit of this.#limits) {
      if (this.#canTell) this.#lower(AT.room, limit, limit.room(now));
      used = Math.max(used, limit.usedShare(now));
    }
    figures[AT.usedShare] = Math.min(1, used);
  }

  #lower(start: number, { dimension }: QuotaLimit, units: number): void {
    const index = start + PLACE[dimension];
    if (units < (this.#figures[index] as number)) this.#figures[index] = units;
  }

  #fits({ input, output }: Cost, start: number): boolean {
    const figures = this.#figures;
    return (
      (figures[start] as number) >= 1 &&
      input + output <= (figures[start + 1] as number) &&
      input <= (figures[start + 2] as number) &&
      output <= (figures[start + 3] as number)
    );
  }
}
