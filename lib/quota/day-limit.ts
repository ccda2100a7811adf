import { HOUR_MS, HourlyCounts, msUntilFreed } from '../cluster/day-limit/hourly-counts';
import type { GrantRequest } from '../cluster/quota-lease/grant-request';

/** A limit for any 24 hours. */
export interface DayLimit {
  /** May change; what was counted stays. */
  limit: number;
  left(now: number): number;
  /** Milliseconds until `units` fit; Infinity when they are more than a day's limit. */
  waitMs(units: number, now: number): number;
  /** An attempt takes. Undefined where that stands; else it must wait for the hold's answer. */
  take(units: number, now: number): GrantRequest | undefined;
  /** Gives back what was taken at that time, at most what is counted. */
  put(units: number, now: number, takenAt: number): void;
  /** An attempt used more than it had taken. */
  overdraw(units: number, now: number): void;
  close(): void;
}

/** In this process, on the monotonic clock. */
export class MemoryDayLimit implements DayLimit {
  readonly #hours = new HourlyCounts();

  constructor(public limit: number) {}

  left(now: number): number {
    return this.limit - this.#hours.sum(hourOf(now));
  }

  waitMs(units: number, now: number): number {
    const missing = units - this.left(now);
    return missing <= 0 ? 0 : msUntilFreed(missing, (hour) => this.#hours.at(hour), now);
  }

  take(units: number, now: number): undefined {
    this.overdraw(units, now);
  }

  put(units: number, now: number, takenAt: number): void {
    // What is too old has left.
    this.#hours.sum(hourOf(now));
    this.#hours.subtract(hourOf(takenAt), units);
  }

  overdraw(units: number, now: number): void {
    const hour = hourOf(now);
    this.#hours.sum(hour);
    this.#hours.add(hour, units);
  }

  close(): void {
    // Nothing runs.
  }
}

function hourOf(ms: number): number {
  return Math.floor(ms / HOUR_MS);
}
