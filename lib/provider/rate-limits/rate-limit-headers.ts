import { headerText, type ResponseHeaders } from '../../failure/headers';
import { parseHttpDate } from '../../failure/retry-after';
import { headerKindOf, type RateLimitHeader, SPLIT_GROUP, UNITS, type Unit } from './header-names';
import { readCount, readReset } from './header-values';
import { parseIetfLimits, policyWindow } from './ietf-fields';
import { inferSpan, type WindowReading, type WindowSpan } from './window-span';

export type { WindowReading } from './window-span';

/** What an answer's headers say of the quotas it drew on. Only windows of a minute and of a day are kept. */
export interface LimitReading {
  requests?: WindowReading;
  tokens?: WindowReading;
  inputTokens?: WindowReading;
  outputTokens?: WindowReading;
  requestsPerDay?: WindowReading;
  tokensPerDay?: WindowReading;
}

/** One window's headers, gathered. All fields are always there: run on each answer, one shape is several times faster. */
interface WindowHeaders {
  group: string;
  unit: Unit;
  /** Said by the header's name or its policy; otherwise worked out from the figures. */
  span: WindowSpan | undefined;
  limit: unknown;
  remaining: unknown;
  reset: unknown;
}

/**
 * Reads the rate-limit headers of OpenAI (and those who copy it: Groq, Mistral, Cerebras, OpenRouter, proxies), Azure,
 * Anthropic and the IETF draft; undefined where nothing in them can be trusted. Never throws. A figure that is absent,
 * negative, not a number or out of reason is left out. A window is dropped where its reset can't be read, its
 * `remaining` is above its `limit`, or limit and reset agree neither with a minute nor with a day (`spanOf` has the rule).
 *
 * @param now epoch milliseconds, for resets that are a time of day
 */
export function readRateLimits(headers: ResponseHeaders, now = Date.now()): LimitReading | undefined {
  const windows: WindowHeaders[] = [];
  let ietf: { state?: unknown; policy?: unknown } | undefined;
  let dateHeader: unknown;
  for (const key of Object.keys(headers)) {
    const kind = headerKindOf(key);
    if (kind === undefined) continue;
    const value = headers[key];
    if (kind === 'date') dateHeader = value;
    else if (kind === 'ratelimit') (ietf ??= {}).state = value;
    else if (kind === 'ratelimit-policy') (ietf ??= {}).policy = value;
    else {
      addHeader(windows, kind, value);
    }
  }
  if (windows.length === 0 && !ietf) return undefined;

  const date = headerText(dateHeader);
  const serverNow = date === undefined ? undefined : parseHttpDate(date);
  const reading: LimitReading = {};
  if (ietf?.state !== undefined) readIetf(reading, ietf.state, ietf.policy, now, serverNow);
  for (const window of windows) {
    if (window.group === SPLIT_GROUP) applySplitPolicy(window, ietf?.policy ?? window.limit);
    addReading(reading, window, now, serverNow);
  }
  return Object.keys(reading).length > 0 ? reading : undefined;
}

/** Files a value under its window. Sent twice under two spellings, the first counts. */
function addHeader(windows: WindowHeaders[], header: RateLimitHeader, value: unknown): void {
  let window = windows.find((other) => other.group === header.group);
  if (!window) {
    window = {
      group: header.group,
      unit: header.unit,
      span: header.span,
      limit: undefined,
      remaining: undefined,
      reset: undefined,
    };
    windows.push(window);
  }
  if (header.part === 'limit') window.limit ??= value;
  else if (header.part === 'remaining') window.remaining ??= value;
  else window.reset ??= value;
}

/** The older drafts' split fields: a limit may carry its own policy, `100, 100;w=60`. */
function applySplitPolicy(window: WindowHeaders, policy: unknown): void {
  const limit = headerText(window.limit)?.split(/[,;]/, 1)[0]?.trim();
  window.limit = limit;
  const span = spanOfSeconds(policyWindow(policy, limit));
  if (span === 'other') window.remaining = window.limit = undefined;
  else if (span !== undefined) window.span = span;
}

function readIetf(
  reading: LimitReading,
  state: unknown,
  policy: unknown,
  now: number,
  serverNow: number | undefined,
): void {
  for (const limit of parseIetfLimits(state, policy)) {
    const unit = unitOf(limit.unit, limit.name);
    const span = spanOfSeconds(limit.windowSeconds);
    if (unit === undefined || span === 'other') continue;
    const { limit: total, remaining, reset } = limit;
    const window = { group: limit.name, unit, span, limit: total, remaining, reset };
    addReading(reading, window, now, serverNow);
  }
}

/** The draft's quota unit, by default requests; where there is none, a policy named for tokens counts tokens. */
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

/** Puts a window into the reading, where its figures can be trusted. */
function addReading(
  reading: LimitReading,
  found: WindowHeaders,
  now: number,
  serverNow: number | undefined,
): void {
  const limit = readCount(found.limit);
  const remaining = readCount(found.remaining);
  // No limit at all, or figures that contradict each other. A limit of 0 would stop the endpoint for good.
  if (limit === 0 || (limit === undefined && remaining === undefined)) return;
  if (limit !== undefined && remaining !== undefined && remaining > limit) return;
  const reset = readReset(found.reset, now, serverNow);
  if (reset.kind === 'unreadable') return;

  const window: WindowReading = {};
  if (limit !== undefined) window.limit = limit;
  if (remaining !== undefined) window.remaining = remaining;
  if (reset.kind === 'known') window.resetMs = reset.ms;
  const span = found.span ?? inferSpan(window, reset.kind === 'known' && reset.wholeSeconds);
  // A span that was said still has to bear its reset.
  if (span === undefined || (window.resetMs ?? 0) > MAX_RESET_MS[span]) return;
  const key = readingKey(found.unit, span);
  if (key === undefined) return;
  const other = reading[key];
  if (other === undefined || (window.remaining ?? Infinity) < (other.remaining ?? Infinity))
    reading[key] = window;
}

/** With a second for rounding and travel. */
const MAX_RESET_MS: Readonly<Record<WindowSpan, number>> = { minute: 61_000, day: 86_401_000 };

function readingKey(unit: Unit, span: WindowSpan): keyof LimitReading | undefined {
  if (span === 'minute') return unit;
  return unit === 'requests' ? 'requestsPerDay' : unit === 'tokens' ? 'tokensPerDay' : undefined;
}
