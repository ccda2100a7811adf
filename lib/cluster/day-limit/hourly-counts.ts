export const HOUR_MS = 3_600_000;
const HOURS = 24;

/**
 * Counts by the hour of the last 24 hours: an hour's count leaves as a whole once its last minute is a day old, so that
 * a limit holds in every window of 24 hours, whenever the provider's own day begins.
 */
export class HourlyCounts {
  readonly #counts = new Map<number, number>();
  #now = -Infinity;
  #sum = 0;

  /** In the hour `hour` and the 24 before it. What is older is forgotten. */
  sum(hour: number): number {
    this.#advance(hour);
    return this.#sum;
  }

  /** @param units May be negative. */
  add(hour: number, units: number): void {
    if (units === 0 || hour < this.#now - HOURS) return;
    const count = (this.#counts.get(hour) ?? 0) + units;
    if (count === 0) this.#counts.delete(hour);
    else this.#counts.set(hour, count);
    this.#sum += units;
  }

  /** Takes back what was counted in that hour, at most what is there. */
  subtract(hour: number, units: number): void {
    this.add(hour, -Math.min(units, Math.max(0, this.at(hour))));
  }

  get isEmpty(): boolean {
    return this.#counts.size === 0;
  }

  /** Of all hours that are kept. */
  get total(): number {
    return this.#sum;
  }

  /** Of that hour. */
  at(hour: number): number {
    return this.#counts.get(hour) ?? 0;
  }

  entries(): [hour: number, units: number][] {
    return [...this.#counts];
  }

  /** All of them, which are none afterwards. */
  drain(): [hour: number, units: number][] {
    const entries = this.entries();
    this.#counts.clear();
    this.#sum = 0;
    this.#now = -Infinity;
    return entries;
  }

  replace(entries: Iterable<readonly [hour: number, units: number]>): void {
    this.drain();
    for (const [hour, units] of entries) this.add(hour, units);
  }

  #advance(hour: number): void {
    if (hour <= this.#now) return;
    this.#now = hour;
    for (const [counted, units] of this.#counts) {
      if (counted >= hour - HOURS) continue;
      this.#counts.delete(counted);
      this.#sum -= units;
    }
  }
}

/**
 * Milliseconds until `missing` units have left; Infinity when they never will.
 * @param at What leaves with an hour.
 */
export function msUntilFreed(missing: number, at: (hour: number) => number, nowMs: number): number {
  const now = Math.floor(nowMs / HOUR_MS);
  let left = missing;
  for (let hour = now - HOURS; hour <= now; hour++) {
    left -= at(hour);
    if (left <= 0) return (hour + HOURS + 1) * HOUR_MS - nowMs;
  }
  return Infinity;
}
