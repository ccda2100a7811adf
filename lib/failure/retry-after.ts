import { MAX_WAIT_MS, parseDecimal, parseDuration } from './duration';
import { readErrorBody } from './error-body';
import { headerValue, type ResponseHeaders } from './headers';

/**
 * Milliseconds until the upstream wants to hear from us again, or undefined where it doesn't say.
 *
 * `retry-after-ms` comes first, then `retry-after` (seconds, decimals too, or an HTTP date: RFC 9110, 10.2.3), then
 * the `retryDelay` of google.rpc.RetryInfo in the body. Negative, broken and absurd values (above 24 hours) are passed
 * over. A date in the past means now.
 */
export function readRetryAfter(
  headers: ResponseHeaders,
  body?: unknown,
  now = Date.now(),
): number | undefined {
  return (
    readRetryAfterHeaders(headers, now) ??
    (body === undefined ? undefined : plausibleWait(readErrorBody(body).retryDelayMs))
  );
}

/** The same from the headers alone, and a delay already read from the body. */
export function readRetryAfterHeaders(
  headers: ResponseHeaders,
  now = Date.now(),
  retryDelayMs?: number,
): number | undefined {
  return (
    fromMilliseconds(headerValue(headers, 'retry-after-ms')) ??
    fromRetryAfter(headerValue(headers, 'retry-after'), now) ??
    plausibleWait(retryDelayMs)
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

// Date.parse alone takes '-5' for a year. The weekday tells all three forms of an HTTP date apart from that.
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? /;

/** Epoch milliseconds of an HTTP date, undefined for anything else. */
export function parseHttpDate(text: string): number | undefined {
  if (text.length > 40 || !HTTP_DATE.test(text)) return undefined;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : date;
}

function plausibleWait(ms: number | undefined): number | undefined {
  return ms !== undefined && ms >= 0 && ms <= MAX_WAIT_MS ? ms : undefined;
}

/** `x-should-retry`: true, false, or undefined where it says neither. */
export function readShouldRetry(headers: ResponseHeaders): boolean | undefined {
  const text = headerValue(headers, 'x-should-retry')?.toLowerCase();
  return text === 'true' ? true : text === 'false' ? false : undefined;
}
