import { MAX_WAIT_MS, parseDecimal, parseDuration } from './duration';
import { type HttpHeaders, headerValue } from './http-answer';

/**
 * How long the upstream asks to be left alone, in milliseconds, or undefined where it doesn't say.
 *
 * `retry-after-ms` comes first, then `retry-after` (seconds, decimals allowed, or an HTTP date: RFC 9110, section
 * 10.2.3), then the delay given in the body. Negative, broken and implausible values (above 24 hours) are ignored. A
 * date in the past means 0.
 *
 * @param bodyDelayMs the delay that the error body names
 * @param now epoch milliseconds
 */
export function readRetryAfter(
  headers: HttpHeaders,
  bodyDelayMs?: number,
  now = Date.now(),
): number | undefined {
  return (
    fromMilliseconds(headerValue(headers, 'retry-after-ms')) ??
    fromRetryAfter(headerValue(headers, 'retry-after'), now) ??
    plausibleWait(bodyDelayMs)
  );
}

function fromMilliseconds(text: string | undefined): number | undefined {
  return text === undefined ? undefined : plausibleWait(parseDecimal(text));
}

function fromRetryAfter(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const seconds = parseDecimal(text);
  if (seconds !== undefined) return plausibleWait(seconds * 1000);
  const duration = parseDuration(text);
  if (duration !== undefined) return plausibleWait(duration);
  const date = parseHttpDate(text);
  return date === undefined ? undefined : plausibleWait(Math.max(0, date - now));
}

// Date.parse alone reads '-5' as a year. All three forms of an HTTP date begin with a weekday.
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? /;

/** Epoch milliseconds of an HTTP date; undefined for anything else. */
export function parseHttpDate(text: string): number | undefined {
  if (text.length > 40 || !HTTP_DATE.test(text)) return undefined;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : date;
}

function plausibleWait(ms: number | undefined): number | undefined {
  return ms !== undefined && ms >= 0 && ms <= MAX_WAIT_MS ? ms : undefined;
}

/** The `x-should-retry` header; undefined if it is neither true nor false. */
export function readShouldRetry(headers: HttpHeaders): boolean | undefined {
  const text = headerValue(headers, 'x-should-retry')?.toLowerCase();
  return text === 'true' ? true : text === 'false' ? false : undefined;
}
