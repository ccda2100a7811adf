import type { Window } from './window';

/** Counts units by bucket, the interval of a {@link Window} in which they were spent. */
export class BucketCounts {
  readonly #units = new Map<number, number>();

  constructor(entries: Iterable<readonly [bucket: number, units: number]> = []) {
    for (const [bucket, units] of entries) this.add(bucket, units);
  }

  add(bucket: number, units: number): void {
    if (units !== 0) this.#units.set(bucket, this.at(bucket) + units);
  }

  at(bucket: number): number {
    return this.#units.get(bucket) ?? 0;
  }

  /** The sum of the buckets from `oldest` on. Forgets older buckets. */
  sum(oldest: number): number {
    let sum = 0;
    for (const [bucket, units] of this.#units) {
      if (bucket < oldest) this.#units.delete(bucket);
      else sum += units;
    }
    return sum;
  }

  entries(): readonly (readonly [bucket: number, units: number])[] {
    return [...this.#units];
  }
}

const MINUTE_MS = 60_000;

/** The rate of spending: the greater of the units spent in the present minute so far and in the minute before. */
export class MinuteRate {
  #minute = 0;
  #units = 0;
  #before = 0;

  get perMinute(): number {
    return Math.max(this.#units, this.#before);
  }

  add(units: number, now: number): void {
    const minute = Math.floor(now / MINUTE_MS);
    if (minute !== this.#minute) {
      this.#before = minute - this.#minute === 1 ? this.#units : 0;
      this.#units = 0;
      this.#minute = minute;
    }
    this.#units += units;
  }
}

/**
 * Milliseconds until at least `missing` of the spent units have left the window; Infinity if fewer than that are spent.
 */
export function msUntilFreed(
  missing: number,
  spent: readonly (readonly [bucket: number, units: number])[],
  window: Window,
  now: number,
): number {
  let left = missing;
  for (const [bucket, units] of [...spent].sort(([a], [b]) => a - b)) {
    left -= units;
    if (left <= 0) return Math.max(1, window.leavesAt(bucket) - now);
  }
  return Infinity;
}
