/** What is claimed ahead is what the process uses in so many milliseconds. */
const AHEAD_MS = 500;
/** Between two claims that no call waits for, at least, in milliseconds. */
const PAUSE_MS = 50;

/** How fast a process uses a limit a day, so that at a high rate not every call claims for itself. */
export class DayPace {
  #used = 0;
  #rate = 0;
  #at = -Infinity;
  /** What was claimed ahead the last time. */
  #extra = 0;

  used(units: number): void {
    this.#used += units;
  }

  /** Whether so little is left of what was claimed ahead that more should be. */
  isDue(credit: number, now: number): boolean {
    return credit < this.#extra / 2 && now - this.#at >= PAUSE_MS;
  }

  /** Units to claim ahead now, whole. @param most Of the limit, that one process holds at most. */
  extra(most: number, credit: number, now: number): number {
    const elapsedMs = Math.max(PAUSE_MS, now - this.#at);
    this.#rate = (this.#rate + this.#used / elapsedMs) / 2;
    this.#used = 0;
    this.#at = now;
    this.#extra = Math.floor(Math.min(most, this.#rate * AHEAD_MS));
    return Math.max(0, this.#extra - credit);
  }
}
