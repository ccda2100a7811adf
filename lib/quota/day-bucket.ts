import { HOUR_MS, HourlyCounts, msUntilFreed } from '../util/hourly-counts';

const MINUTES_PER_DAY = 1_440;
/** Smaller differences in units are rounding errors. */
const EPSILON = 1e-6;

/**
 * A limit over any 24 hours, as a bucket. Units come back 24 hours after the end of the hour in which they were taken.
 * In a cluster this is one process's view of the counter in Redis.
 */
export class DayBucket {
  /** No units are kept as a reserve, because the provider counts a daily limit exactly. */
  readonly headroom = 0;
  readonly observedDepthMs = 0;
  readonly #clock: (() => number) | undefined;
  #limit: number;
  #share = 1;
  #level: number;
  #hours = new HourlyCounts();
  #hour = -Infinity;

  /** @param clock Returns the time in milliseconds by which hours are counted. Default: performance.now(). */
  constructor(limit: number, clock?: () => number) {
    this.#limit = this.#level = limit;
    this.#clock = clock;
  }

  /** Units allowed in any 24 hours. */
  get limit(): number {
    return this.#limit;
  }

  /** Changes the limit and keeps what was used. */
  set limit(limit: number) {
    this.#level += (limit - this.#limit) * this.#share;
    this.#limit = limit;
  }

  get depth(): number {
    return this.#limit * this.#share;
  }

  get sharedLimit(): number {
    return this.#limit / MINUTES_PER_DAY;
  }

  /** The number of the hour under which units taken at `now` are counted. */
  hourAt(now: number): number {
    return Math.floor(this.#clockAt(now) / HOUR_MS);
  }

  level(now: number): number {
    const hour = this.hourAt(now);
    if (hour > this.#hour) {
      const before = this.#hours.sum(this.#hour);
      this.#hour = hour;
      this.#level += before - this.#hours.sum(hour);
    }
    return this.#level;
  }

  /** Milliseconds until `units` can be taken; Infinity if they exceed the limit. */
  waitMs(units: number, now: number): number {
    const missing = units - this.level(now);
    if (missing <= EPSILON) return 0;
    return msUntilFreed(missing - EPSILON, (hour) => this.#hours.at(hour), this.#clockAt(now));
  }

  take(units: number, now: number): void {
    this.#level = this.level(now) - units;
    this.#hours.add(this.#hour, units);
  }

  /** Returns units that were taken at `takenAt`, at most as many as are counted for that hour. */
  put(units: number, now: number, takenAt = now): void {
    const level = this.level(now);
    const hour = this.hourAt(takenAt);
    const counted = Math.min(units, Math.max(0, this.#hours.at(hour)));
    this.#hours.subtract(hour, counted);
    this.#level = level + counted;
  }

  /** In a cluster: sets what all processes together have used, by hour. Call `syncLevel` next. */
  setUsed(hours: Iterable<readonly [hour: number, units: number]>): void {
    this.#hours = new HourlyCounts(hours);
    this.#hours.sum(this.#hour);
  }

  syncLevel(level: number, now: number): void {
    this.level(now);
    this.#level = level;
  }

  setShare(share: number, level: number, now: number): void {
    this.level(now);
    const hours = [...this.#hours.hours()].map((hour): [number, number] => [
      hour,
      (this.#hours.at(hour) * share) / this.#share,
    ]);
    this.#share = share;
    this.#level = level;
    this.setUsed(hours);
  }

  setSharing(): void {
    // Nothing to do: the depth of a daily limit doesn't depend on how many processes share it.
  }

  #clockAt(now: number): number {
    return this.#clock ? this.#clock() + now - performance.now() : now;
  }
}
