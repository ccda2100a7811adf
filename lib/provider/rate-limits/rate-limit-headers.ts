import { type HttpHeaders, headerText } from '../../failure/http-answer';
import { parseHttpDate } from '../../failure/retry-after';
import { headerKindOf, type RateLimitHeader, SPLIT_GROUP, UNITS, type Unit } from './header-names';
import { readCount, readReset } from './header-values';
import { parseIetfLimits, policyWindow } from './ietf-fields';
import { inferSpan, type WindowReading, type WindowSpan } from './window-span';

export type { WindowReading } from './window-span';

/**
 * The quotas that a response's headers report, as far as they are plausible. Only windows of a minute and of a day are
 * kept.
 */
export interface LimitReading {
  /** Requests per minute. */
  requests?: WindowReading;
  /** Tokens per minute, input and output together. */
  tokens?: WindowReading;
  /** Input tokens per minute. */
  inputTokens?: WindowReading;
  /** Output tokens per minute. */
  outputTokens?: WindowReading;
  /** Requests per day. */
  requestsPerDay?: WindowReading;
  /** Tokens per day. */
  tokensPerDay?: WindowReading;
}

/** The headers of one window. Every field is always set: with one object shape this hot path is several times faster. */
interface WindowHeaders extends Omit<RateLimitHeader, 'part'> {
  span: WindowSpan | undefined;
  limit: unknown;
  remaining: unknown;
  reset: unknown;
}

/**
 * Reads the rate-limit headers of OpenAI and its imitators (Groq, Mistral, Cerebras, OpenRouter, proxies), Azure,
 * Anthropic and the IETF draft. Returns undefined if none of them can be trusted. Never throws.
 *
 * A value that is absent, negative, implausible or not a number is left out. A window is dropped if its reset can't be
 * read, if its `remaining` is above its `limit`, or if its values fit neither a minute nor a day (`inferSpan` has the
 * rules). The `limits` of a custom dialect can build on it.
 *
 * @param now the current time in epoch milliseconds, for resets that are given as an absolute time
 */
export function readRateLimits(headers: HttpHeaders, now = Date.now()): LimitReading | undefined {
  const windows: WindowHeaders[] = [];
  let ietf: { state?: unknown; policy?: unknown } | undefined;
  let dateHeader: unknown;
  for (const key of Object.keys(headers)) {
    const kind = headerKindOf(key);
    if (kind === 'other') continue;
    const value = headers[key];
    if (kind === 'date') dateHeader = value;
    else if (kind === 'ratelimit') (ietf ??= {}).state = value;
    else if (kind === 'ratelimit-policy') (ietf ??= {}).policy = value;
    else addHeader(windows, kind, value);
  }
  if (windows.length === 0 && !ietf) return undefined;

  const date = headerText(dateHeader);
  const serverNow = date === undefined ? undefined : parseHttpDate(date);
  const clocks = serverNow === undefined ? [now] : [serverNow, now];
  const reading: LimitReading = {};
  if (ietf?.state !== undefined) readIetf(reading, ietf.state, ietf.policy, clocks);
  for (const window of windows) {
    if (window.group === SPLIT_GROUP) applySplitPolicy(window, ietf?.policy ?? window.limit);
    addReading(reading, window, clocks);
  }
  return Object.keys(reading).length > 0 ? reading : undefined;
}

/** Adds a value to its window. If a header is sent in two spellings, the first counts. */
function addHeader(
  windows: WindowHeaders[],
  { group, part, unit, span }: RateLimitHeader,
  value: unknown,
): void {
  let window = windows.find((other) => other.group === group);
  if (!window) {
    window = { group, unit, span, limit: undefined, remaining: undefined, reset: undefined };
    windows.push(window);
  }
  if (part === 'limit') window.limit ??= value;
  else if (part === 'remaining') window.remaining ??= value;
  else window.reset ??= value;
}

/** Reads the window of the separate fields of older drafts, whose limit may carry its own policy: `100, 100;w=60`. */
function applySplitPolicy(window: WindowHeaders, policy: unknown): void {
  const limit = headerText(window.limit)?.split(/[,;]/, 1)[0]?.trim();
  window.limit = limit;
  const span = spanOfSeconds(policyWindow(policy, limit));
  if (span === 'other') window.remaining = window.limit = undefined;
  else if (span !== undefined) window.span = span;
}

function readIetf(reading: LimitReading, state: unknown, policy: unknown, clocks: readonly number[]): void {
  for (const { name, unit, windowSeconds, ...values } of parseIetfLimits(state, policy)) {
    const counted = unitOf(unit, name);
    const span = spanOfSeconds(windowSeconds);
    if (counted === undefined || span === 'other') continue;
    addReading(reading, { group: name, unit: counted, span, ...values }, clocks);
  }
}

/** The policy's quota unit; without one, a policy with 'token' in its name counts tokens, any other requests. */
function unitOf(unit: string, name: string): Unit | undefined {
  const words = (unit === '' ? name : unit).toLowerCase().replaceAll('_', '-');
  if (unit !== '') return Object.hasOwn(UNITS, words) ? UNITS[words] : undefined;
  if (!words.includes('token')) return 'requests';
  return words.includes('input') ? 'inputTokens' : words.includes('output') ? 'outputTokens' : 'tokens';
}

function spanOfSeconds(text: string | undefined): WindowSpan | 'other' | undefined {
  if (text === undefined) return undefined;
  const seconds = readCount(text);
  return seconds === 60 ? 'minute' : seconds === 86_400 ? 'day' : 'other';
}

/** Adds a window to the reading if its values can be trusted. */
function addReading(reading: LimitReading, found: WindowHeaders, clocks: readonly number[]): void {
  const limit = readCount(found.limit);
  const remaining = readCount(found.remaining);
  // Ignores values that contradict each other, and a limit of 0, which would stop the endpoint for good.
  if (limit === 0 || (limit === undefined && remaining === undefined)) return;
  if (limit !== undefined && remaining !== undefined && remaining > limit) return;
  const reset = readReset(found.reset, clocks);
  if (reset.kind === 'unreadable') return;

  const window: WindowReading = {};
  if (limit !== undefined) window.limit = limit;
  if (remaining !== undefined) window.remaining = remaining;
  if (reset.kind === 'known') window.resetMs = reset.ms;
  const span = found.span ?? inferSpan(window, reset.kind === 'known' && reset.wholeSeconds);
  // A span that the header states must also fit the reset.
  if (span === undefined || (window.resetMs ?? 0) > MAX_RESET_MS[span]) return;
  const key = readingKey(found.unit, span);
  if (key === undefined) return;
  const other = reading[key];
  if (other === undefined || (window.remaining ?? Infinity) < (other.remaining ?? Infinity))
    reading[key] = window;
}

/** The longest plausible reset of a window, with a second for rounding and network latency. */
const MAX_RESET_MS: Readonly<Record<WindowSpan, number>> = { minute: 61_000, day: 86_401_000 };

function readingKey(unit: Unit, span: WindowSpan): keyof LimitReading | undefined {
  if (span === 'minute') return unit;
  return unit === 'requests' ? 'requestsPerDay' : unit === 'tokens' ? 'tokensPerDay' : undefined;
}
