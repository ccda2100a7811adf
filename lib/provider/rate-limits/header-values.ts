import { parseDecimal, parseDuration } from '../../failure/duration';
import { headerText } from '../../failure/http-answer';

/** Largest accepted count. It is far above any provider's limit: a greater number is in another unit, or nonsense. */
const MAX_COUNT = 1e12;
const MAX_RESET_MS = 400 * 86_400_000;
const EPOCH_SECONDS = 1e9;
const EPOCH_MILLISECONDS = 1e12;

/** A reset time: known, declared unknown (absent, empty, -1, null), or not understood. */
type Reset =
  | { kind: 'known'; ms: number; wholeSeconds: boolean }
  | { kind: 'unknown' }
  | { kind: 'unreadable' };

const UNKNOWN: Reset = { kind: 'unknown' };
const UNREADABLE: Reset = { kind: 'unreadable' };
const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/** A count: a plain non-negative decimal. Undefined for `-1`, `null`, words, exponents and implausible numbers. */
export function readCount(value: unknown): number | undefined {
  const count = parseDecimal(headerText(value));
  return count !== undefined && count <= MAX_COUNT ? count : undefined;
}

/**
 * Reads a reset as milliseconds from now: a duration (`6m0s`, `6ms`), seconds, an RFC 3339 time, or an epoch in seconds
 * or milliseconds.
 *
 * @param clocks the clocks, in epoch milliseconds, that an absolute time is compared with: first the server's own
 *   `date`, if there is one, because its clock may differ from ours; then our clock
 */
export function readReset(value: unknown, clocks: readonly number[]): Reset {
  const text = headerText(value);
  if (text === undefined || text === '-1' || text === 'null' || text === 'undefined') return UNKNOWN;
  const decimal = parseDecimal(text);
  if (decimal !== undefined) {
    if (decimal >= EPOCH_MILLISECONDS) return resetAt(decimal, clocks, false);
    if (decimal >= EPOCH_SECONDS) return resetAt(decimal * 1000, clocks, true);
    return resetIn(decimal * 1000, !text.includes('.'));
  }
  const duration = parseDuration(text);
  if (duration !== undefined) return resetIn(duration, false);
  const date = RFC_3339.exec(text);
  if (!date) return UNREADABLE;
  const time = Date.parse(text);
  return Number.isNaN(time) ? UNREADABLE : resetAt(time, clocks, date[1] === undefined);
}

// Converts an absolute time to a reset. The server's date is truncated to the second, so a difference from it may be
// off by a second.
function resetAt(time: number, clocks: readonly number[], wholeSeconds: boolean): Reset {
  const index = clocks.findIndex((now) => time - now >= -1000 && time - now <= MAX_RESET_MS);
  const now = clocks[index];
  if (now === undefined) return UNREADABLE;
  return resetIn(Math.max(0, time - now), wholeSeconds || index < clocks.length - 1);
}

function resetIn(ms: number, wholeSeconds: boolean): Reset {
  return ms <= MAX_RESET_MS ? { kind: 'known', ms, wholeSeconds } : UNREADABLE;
}
