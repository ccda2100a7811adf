import { parseDecimal, parseDuration } from '../../failure/duration';
import { headerText } from '../../failure/headers';

/** No provider's limit is anywhere near; a greater number is another unit or nonsense. */
const MAX_COUNT = 1e12;
const MAX_RESET_MS = 400 * 86_400_000;
const EPOCH_SECONDS = 1e9;
const EPOCH_MILLISECONDS = 1e12;

/** Read, said to be unknown (absent, empty, -1, null), or not understood. */
export type Reset =
  | { kind: 'known'; ms: number; wholeSeconds: boolean }
  | { kind: 'unknown' }
  | { kind: 'unreadable' };

const UNKNOWN: Reset = { kind: 'unknown' };
const UNREADABLE: Reset = { kind: 'unreadable' };
const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/** A count: a plain non-negative decimal. `-1`, `null`, `NaN`, words, exponents and the absurd are undefined. */
export function readCount(value: unknown): number | undefined {
  const text = headerText(value);
  const count = text === undefined ? undefined : parseDecimal(text);
  return count !== undefined && count <= MAX_COUNT ? count : undefined;
}

/**
 * Milliseconds until a reset: a duration (`6m0s`, `6ms`), seconds, an RFC 3339 time, or an epoch in seconds or
 * milliseconds. Times are told against the server's own `date` where there is one, so its clock needn't agree with ours.
 */
export function readReset(value: unknown, now: number, serverNow: number | undefined): Reset {
  const text = headerText(value);
  if (text === undefined || text === '-1' || text === 'null' || text === 'undefined') return UNKNOWN;
  const decimal = parseDecimal(text);
  if (decimal !== undefined) {
    if (decimal >= EPOCH_MILLISECONDS) return resetAt(decimal, now, serverNow, false);
    if (decimal >= EPOCH_SECONDS) return resetAt(decimal * 1000, now, serverNow, true);
    return resetIn(decimal * 1000, !text.includes('.'));
  }
  const duration = parseDuration(text);
  if (duration !== undefined) return resetIn(duration, false);
  const date = RFC_3339.exec(text);
  if (!date) return UNREADABLE;
  const moment = Date.parse(text);
  return Number.isNaN(moment) ? UNREADABLE : resetAt(moment, now, serverNow, date[1] === undefined);
}

// The server's date is cut to the second: up to one may be missing, and it makes every difference a whole second unsure.
function resetAt(moment: number, now: number, serverNow: number | undefined, wholeSeconds: boolean): Reset {
  for (const clock of serverNow === undefined ? [now] : [serverNow, now]) {
    const ms = moment - clock;
    if (ms >= -1000 && ms <= MAX_RESET_MS)
      return resetIn(Math.max(0, ms), wholeSeconds || clock === serverNow);
  }
  return UNREADABLE;
}

function resetIn(ms: number, wholeSeconds: boolean): Reset {
  return ms <= MAX_RESET_MS ? { kind: 'known', ms, wholeSeconds } : UNREADABLE;
}
