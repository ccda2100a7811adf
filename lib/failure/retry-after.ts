import { MAX_WAIT_MS, parseDecimal, parseDuration, sumDurations } from './duration';
import { type HttpHeaders, headerValue } from './http-answer';

/**
 * How long the upstream asks us to wait, in milliseconds; undefined if it doesn't say. The sources, in this order:
 *
 * 1. `retry-after-ms`;
 * 2. `retry-after`: seconds, decimals allowed, or an HTTP date (RFC 9110, section 10.2.3). A date is compared with the
 *    server's own `date` header, so that an error of our clock doesn't matter. A date in the past means 0;
 * 3. the delay in the body (google.rpc.RetryInfo);
 * 4. Azure's `x-rate-limit-reset-tokens` and `-requests`, in seconds;
 * 5. the message, such as "Please retry after 26 seconds", unless a rate-limit header says which window is used up: the
 *    reset time of that window is more precise.
 *
 * Negative, broken and implausible values (above 24 hours) are ignored.
 *
 * @param bodyDelayMs The delay that the error body states.
 * @param message The upstream's error message.
 * @param now Epoch milliseconds.
 */
export function readRetryAfter(
  headers: HttpHeaders,
  bodyDelayMs: number | undefined,
  message: string,
  now = Date.now(),
): number | undefined {
  const serverNow = parseHttpDate(headerValue(headers, 'date') ?? '') ?? now;
  return (
    plausibleWait(parseDecimal(headerValue(headers, 'retry-after-ms'))) ??
    fromRetryAfter(headerValue(headers, 'retry-after'), serverNow) ??
    plausibleWait(bodyDelayMs) ??
    fromAzureReset(headers) ??
    (message === '' || hasUsedUpWindow(headers) ? undefined : fromMessage(message))
  );
}

function fromAzureReset(headers: HttpHeaders): number | undefined {
  const [tokens = 0, requests = 0] = ['tokens', 'requests'].map((unit) =>
    fromRetryAfter(headerValue(headers, `x-rate-limit-reset-${unit}`), 0),
  );
  return Math.max(tokens, requests) || undefined;
}

function hasUsedUpWindow(headers: HttpHeaders): boolean {
  return Object.keys(headers).some(
    (name) =>
      /^x-ratelimit-remaining|^anthropic-ratelimit-.{1,20}-remaining$/i.test(name) &&
      headerValue(headers, name.toLowerCase()) === '0',
  );
}

const MESSAGE_DELAY =
  /\b(?:retry|retrying|try again|wait|resets?|available(?: again)?)\b.{0,40}?\b(?:after|in|for|wait|at least)\b (?:about |approximately |at least |another )?((?:\d{1,9}(?:\.\d{1,9})? ?(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)(?:,? (?:and )?)?){1,4})(?![a-z\d])|\bwait (\d{1,9}(?:\.\d{1,9})? ?(?:s|secs?|seconds?|minutes?))\b/i;
const MESSAGE_DELAY_PART = /(\d{1,9}(?:\.\d{1,9})?) ?(ms|milli|s|m|h)/gi;

/** Reads a delay from a message: "Please retry after 26 seconds", "try again in 1m2.5s", "wait 20 seconds". */
function fromMessage(message: string): number | undefined {
  const match = MESSAGE_DELAY.exec(message.slice(0, 1000));
  const text = match?.[1] ?? match?.[2];
  return text === undefined ? undefined : plausibleWait(sumDurations(text.matchAll(MESSAGE_DELAY_PART)));
}

function fromRetryAfter(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const seconds = parseDecimal(text);
  const date = parseHttpDate(text);
  return plausibleWait(
    seconds !== undefined
      ? seconds * 1000
      : (parseDuration(text) ?? (date === undefined ? undefined : Math.max(0, date - now))),
  );
}

// Date.parse alone would read '-5' as a year. All three forms of an HTTP date begin with a weekday.
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? /;

/** Parses an HTTP date to epoch milliseconds; undefined for anything else. */
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
