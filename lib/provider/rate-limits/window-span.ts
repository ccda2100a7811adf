/** One limit as an answer's headers tell it. Every figure is finite and not negative; absent where unknown. */
export interface WindowReading {
  /** Units a window allows. */
  limit?: number;
  /** Units left when the answer was sent. Never above `limit`. */
  remaining?: number;
  /** Milliseconds until the window is full again (continuous refill) or starts anew. */
  resetMs?: number;
}

/** Which span a reading counts. Only minutes and days are quotas here. */
export type WindowSpan = 'minute' | 'day';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** A server's rounding and a second of travel. */
const SLACK_MS = 1000;
// Clocks and counters are read a moment apart.
const TOLERANCE = 0.1;

/**
 * The span a reading counts, worked out from its own figures; undefined where they agree with none.
 *
 * A bucket with continuous refill that has `used = limit - remaining` units to win back needs used / limit of its
 * span: 30 of 14,400 and a reset of 180 s are a day, 60 of 6,000 and 0.6 s a minute. So:
 * 1. reset within used / limit of a minute (one unit and rounding allowed): minute;
 * 2. reset at used / limit of a day: day; of an hour: none;
 * 3. reset of at most a minute: a minute that starts anew at fixed times;
 * 4. reset above an hour, up to a day: a day that starts anew;
 * 5. anything else agrees with nothing.
 * Without a reset there is nothing to agree with: Azure's per-minute counts come so, and are taken for minutes.
 *
 * @param wholeSeconds the reset was given in whole seconds, so it may be off by one
 */
export function inferSpan(reading: WindowReading, wholeSeconds: boolean): WindowSpan | undefined {
  const { limit, remaining, resetMs } = reading;
  if (resetMs === undefined) return 'minute';
  if (limit !== undefined && remaining !== undefined && limit > 0 && remaining < limit) {
    const used = limit - remaining;
    const rounding = wholeSeconds ? SLACK_MS : 1;
    if (
      !(wholeSeconds && refills(DAY_MS, 0)) &&
      resetMs <= span(MINUTE_MS, used + 1) * (1 + TOLERANCE) + rounding
    ) {
      return 'minute';
    }
    if (refills(DAY_MS, rounding)) return 'day';
    if (refills(HOUR_MS, rounding)) return undefined;
  }
  if (resetMs <= MINUTE_MS + SLACK_MS) return 'minute';
  return resetMs > HOUR_MS && resetMs <= DAY_MS + SLACK_MS ? 'day' : undefined;

  function span(windowMs: number, units: number): number {
    return (Math.min(units, limit ?? 0) / (limit ?? 1)) * windowMs;
  }

  // `remaining` is rounded down: a unit counted as used may be partly refilled already, but the one just taken is not.
  function refills(windowMs: number, rounding: number): boolean {
    const used = (limit ?? 0) - (remaining ?? 0);
    const least = span(windowMs, Math.max(1, used - 1)) * (1 - TOLERANCE) - rounding;
    return (resetMs ?? 0) >= least && (resetMs ?? 0) <= span(windowMs, used) * (1 + TOLERANCE) + rounding;
  }
}
