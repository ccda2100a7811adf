import type { GrantRequest } from '../cluster/quota-lease/grant-request';
import { HOUR_MS, HourlyCounts, msUntilFreed } from '../util/hourly-counts';

/** A limit for any 24 hours. */
export interface DayLimit {
  /** Units in any 24 hours. May change; what was counted stays. */
  limit: number;
  left(now: number): number;
  /** Milliseconds until `units` fit; Infinity if they are more than the limit. */
  waitMs(units: number, now: number): number;
  /** An attempt takes units. Returns a request if it must wait for the answer of Redis. */
  take(units: number, now: number): GrantRequest | undefined;
  /** Gives back units that were taken at that time, at most as many as are counted. */
  put(units: number, now: number, takenAt: number): void;
  overdraw(units: number, now: number): void;
  close(): void;
}

/** In this process, on the monotonic clock: a count for each hour. */
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
    // Drops hours that are more than a day old.
    this.#hours.sum(hourOf(now));
    this.#hours.subtract(hourOf(takenAt), units);
  }

  overdraw(units: number, now: number): void {
    const hour = hourOf(now);
    this.#hours.sum(hour);
    this.#hours.add(hour, units);
  }

  close(): void {
    // No timers to stop.
  }
}

function hourOf(ms: number): number {
  return Math.floor(ms / HOUR_MS);
}
