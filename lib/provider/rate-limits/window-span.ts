/** One rate limit as a response's headers report it. Every value is finite and not negative; absent if unknown. */
export interface WindowReading {
  /** How many units a window allows. */
  limit?: number;
  /** How many units were left when the response was sent. Never above `limit`. */
  remaining?: number;
  /** Milliseconds until the window is full again (continuous refill) or restarts. */
  resetMs?: number;
}

/** The length of a window. Other lengths are not tracked. */
export type WindowSpan = 'minute' | 'day';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Allows for the server's rounding and for network latency. */
const SLACK_MS = 1000;
/** Relative tolerance: the server reads its clock and its counters at slightly different times. */
const TOLERANCE = 0.1;

/**
 * The span of a window, inferred from its own values; undefined where they fit neither span.
 *
 * A bucket with continuous refill that has `used = limit - remaining` units to regain needs used / limit of its span:
 * 30 of 14,400 with a reset of 180 s is a day, 60 of 6,000 with 0.6 s a minute. The rules, in order:
 * 1. a reset within used / limit of a minute (plus one unit and rounding): a minute;
 * 2. a reset at used / limit of a day: a day; of an hour: not tracked;
 * 3. a reset of at most a minute: a fixed window of a minute;
 * 4. a reset between an hour and a day: a fixed window of a day;
 * 5. anything else fits nothing.
 * Without a reset it is a minute: Azure sends its counts per minute that way.
 *
 * @param wholeSeconds whether the reset was given in whole seconds, so that it may be off by one
 */
export function inferSpan(reading: WindowReading, wholeSeconds: boolean): WindowSpan | undefined {
  const { limit, remaining, resetMs } = reading;
  if (resetMs === undefined) return 'minute';
  if (limit !== undefined && remaining !== undefined && limit > 0 && remaining < limit) {
    const used = limit - remaining;
    const rounding = wholeSeconds ? SLACK_MS : 1;
    const span = (windowMs: number, units: number): number => (Math.min(units, limit) / limit) * windowMs;
    // `remaining` is rounded down: a unit counted as used may be partly refilled, except for the one just taken.
    const refills = (windowMs: number, slack: number): boolean =>
      resetMs >= span(windowMs, Math.max(1, used - 1)) * (1 - TOLERANCE) - slack &&
      resetMs <= span(windowMs, used) * (1 + TOLERANCE) + slack;
    const fitsMinute = resetMs <= span(MINUTE_MS, used + 1) * (1 + TOLERANCE) + rounding;
    if (fitsMinute && !(wholeSeconds && refills(DAY_MS, 0))) return 'minute';
    if (refills(DAY_MS, rounding)) return 'day';
    if (refills(HOUR_MS, rounding)) return undefined;
  }
  if (resetMs <= MINUTE_MS + SLACK_MS) return 'minute';
  return resetMs > HOUR_MS && resetMs <= DAY_MS + SLACK_MS ? 'day' : undefined;
}
