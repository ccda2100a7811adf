import type { BudgetWindowOptions, Period } from './options';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/**
 * The time window of a budget: the buckets whose spending it counts, each named by its start. Times are in Unix
 * milliseconds.
 */
export interface Window {
  /** The bucket of spending at that time. */
  bucketAt(ms: number): number;
  /** Index of the oldest time bucket that still counts at this time. */
  oldestAt(ms: number): number;
  /** The time at which the spending of a bucket no longer counts. */
  leavesAt(bucket: number): number;
  /** Whether the budget starts again with each bucket. False for a rolling window. */
  readonly isCalendar: boolean;
  /** The longest time for which spending counts, in milliseconds. */
  readonly spanMs: number;
}

export function createWindow(period: Period, options: Required<BudgetWindowOptions>): Window {
  return options.window === 'rolling' ? rollingWindow(period) : new CalendarWindow(period, options.timeZone);
}

const ROLLING: Record<Period, { readonly bucketMs: number; readonly count: number }> = {
  hour: { bucketMs: 5 * MINUTE_MS, count: 12 },
  day: { bucketMs: HOUR_MS, count: 24 },
  month: { bucketMs: DAY_MS, count: 30 },
};

/**
 * A rolling window. A bucket leaves it when its last moment is a whole period old, so that the budget holds in any such
 * period.
 */
function rollingWindow(period: Period): Window {
  const { bucketMs, count } = ROLLING[period];
  const bucketAt = (ms: number): number => Math.floor(ms / bucketMs) * bucketMs;
  return {
    bucketAt,
    oldestAt: (ms) => bucketAt(ms) - count * bucketMs,
    leavesAt: (bucket) => bucket + (count + 1) * bucketMs,
    isCalendar: false,
    spanMs: (count + 1) * bucketMs,
  };
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** The hours, days or months of a time zone, which may have days of 23 or 25 hours and offsets of half an hour. */
class CalendarWindow implements Window {
  readonly isCalendar = true;
  readonly spanMs: number;
  readonly #period: Period;
  readonly #format: Intl.DateTimeFormat;
  /** The current period. It is remembered because formatting is slow and almost all times fall into it. */
  #current: Span = { start: 0, end: 0 };

  constructor(period: Period, timeZone: string) {
    this.#period = period;
    this.spanMs = period === 'hour' ? HOUR_MS : period === 'day' ? 25 * HOUR_MS : 31 * DAY_MS + HOUR_MS;
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  }

  bucketAt(ms: number): number {
    const { start, end } = this.#current;
    if (ms >= start && ms < end) return start;
    const span = this.#spanAt(ms);
    if (ms >= end) this.#current = span;
    return span.start;
  }

  oldestAt(ms: number): number {
    return this.bucketAt(ms);
  }

  leavesAt(bucket: number): number {
    return bucket === this.#current.start ? this.#current.end : this.#spanAt(bucket).end;
  }

  #spanAt(ms: number): Span {
    const localMs = ms + this.#offsetAt(ms);
    if (this.#period === 'hour') {
      const start = ms - (localMs - Math.floor(localMs / HOUR_MS) * HOUR_MS);
      return { start, end: start + HOUR_MS };
    }
    const local = new Date(localMs);
    const [year, month, day] = [local.getUTCFullYear(), local.getUTCMonth(), local.getUTCDate()];
    return this.#period === 'day'
      ? {
          start: this.#instantOf(Date.UTC(year, month, day)),
          end: this.#instantOf(Date.UTC(year, month, day + 1)),
        }
      : {
          start: this.#instantOf(Date.UTC(year, month, 1)),
          end: this.#instantOf(Date.UTC(year, month + 1, 1)),
        };
  }

  /**
   * The instant at which the zone's clocks show the local time `localMs`, which is given as if it were UTC; the
   * following instant if the clocks skip that time.
   */
  #instantOf(localMs: number): number {
    const before = localMs - this.#offsetAt(localMs - DAY_MS);
    const after = localMs - this.#offsetAt(localMs + DAY_MS);
    const instants = [before, after].filter((ms) => ms + this.#offsetAt(ms) === localMs);
    return instants.length > 0 ? Math.min(...instants) : before;
  }

  /** Milliseconds by which the zone's clocks are ahead of UTC. */
  #offsetAt(ms: number): number {
    const parts = {} as Record<Intl.DateTimeFormatPartTypes, number>;
    for (const { type, value } of this.#format.formatToParts(ms)) parts[type] = Number(value);
    const { year, month, day, hour, minute, second } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(ms / 1_000) * 1_000;
  }
}
