export const HOUR_MS = 3_600_000;
const HOURS = 24;

/**
 * Units by hour of the last 24 hours. The units of an hour are dropped together, when its last minute is a day old, so
 * that a limit on their sum holds in every window of 24 hours, whenever the provider's own day begins.
 */
export class HourlyCounts {
  readonly #counts = new Map<number, number>();
  #now = -Infinity;
  #total = 0;

  constructor(entries: Iterable<readonly [hour: number, units: number]> = []) {
    for (const [hour, units] of entries) this.add(hour, units);
  }

  /** The units of `hour` and the 24 hours before it. Forgets older ones. */
  sum(hour: number): number {
    if (hour > this.#now) {
      this.#now = hour;
      for (const [counted, units] of this.#counts) {
        if (counted >= hour - HOURS) continue;
        this.#counts.delete(counted);
        this.#total -= units;
      }
    }
    return this.#total;
  }

  add(hour: number, units: number): void {
    if (units === 0 || hour < this.#now - HOURS) return;
    const count = this.at(hour) + units;
    if (count === 0) this.#counts.delete(hour);
    else this.#counts.set(hour, count);
    this.#total += units;
  }

  /** Subtracts at most what the hour has. */
  subtract(hour: number, units: number): void {
    this.add(hour, -Math.min(units, Math.max(0, this.at(hour))));
  }

  at(hour: number): number {
    return this.#counts.get(hour) ?? 0;
  }

  hours(): IterableIterator<number> {
    return this.#counts.keys();
  }
}

/**
 * Milliseconds until `missing` units are dropped; Infinity if there are not that many.
 * @param unitsOf Returns the units that are dropped with an hour.
 */
export function msUntilFreed(missing: number, unitsOf: (hour: number) => number, nowMs: number): number {
  const now = Math.floor(nowMs / HOUR_MS);
  let left = missing;
  for (let hour = now - HOURS; hour <= now; hour++) {
    left -= unitsOf(hour);
    if (left <= 0) return (hour + HOURS + 1) * HOUR_MS - nowMs;
  }
  return Infinity;
}
