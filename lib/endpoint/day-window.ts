const HOUR_MS = 3_600_000;
const HOURS = 24;

/**
 * A limit for any 24 hours, counted by the hour: an hour's count leaves as a whole once its last minute is a day old,
 * so that the limit holds in every window, whenever the provider's own day begins.
 */
export class DayWindow {
  readonly #counts = new Array<number>(HOURS + 1).fill(0);
  #hour: number;
  #sum = 0;

  /** @param limit May change; what was counted stays. */
  constructor(public limit: number) {
    this.#hour = Math.floor(performance.now() / HOUR_MS);
  }

  left(now: number): number {
    this.#advance(now);
    return this.limit - this.#sum;
  }

  /** Milliseconds until `units` fit; Infinity when they are more than a day's limit. */
  waitMs(units: number, now: number): number {
    this.#advance(now);
    let missing = this.#sum + units - this.limit;
    if (missing <= 0) return 0;
    for (let age = HOURS; age >= 0; age--) {
      missing -= this.#counts[this.#slot(this.#hour - age)] ?? 0;
      if (missing <= 0) return (this.#hour - age + HOURS + 1) * HOUR_MS - now;
    }
    return Infinity;
  }

  take(units: number, now: number): void {
    this.#advance(now);
    this.#add(units);
  }

  /**
   * Gives back, at most what is counted. From the oldest hours first: when it was taken is not known, and what is kept
   * must not leave earlier than 24 hours after it was used.
   */
  put(units: number, now: number): void {
    this.#advance(now);
    let left = units;
    for (let age = HOURS; age >= 0 && left > 0; age--) {
      const slot = this.#slot(this.#hour - age);
      const part = Math.min(left, this.#counts[slot] ?? 0);
      this.#counts[slot] = (this.#counts[slot] ?? 0) - part;
      this.#sum -= part;
      left -= part;
    }
  }

  #add(units: number): void {
    const slot = this.#slot(this.#hour);
    this.#counts[slot] = (this.#counts[slot] ?? 0) + units;
    this.#sum += units;
  }

  #slot(hour: number): number {
    return ((hour % (HOURS + 1)) + HOURS + 1) % (HOURS + 1);
  }

  #advance(now: number): void {
    const hour = Math.floor(now / HOUR_MS);
    const steps = Math.min(hour - this.#hour, HOURS + 1);
    for (let step = 1; step <= steps; step++) {
      const slot = this.#slot(this.#hour + step);
      this.#sum -= this.#counts[slot] ?? 0;
      this.#counts[slot] = 0;
    }
    if (hour > this.#hour) this.#hour = hour;
  }
}
