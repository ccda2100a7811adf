import type { LimitReading, LimitWindow } from './rate-limit';

/** Converts the state of the limits to OpenAI's x-ratelimit-* headers; returns an empty object without one. */
export function rateLimitHeaders(reading: LimitReading | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  if (reading?.requests) addWindow(headers, 'requests', reading.requests);
  if (reading?.tokens) addWindow(headers, 'tokens', reading.tokens);
  return headers;
}

function addWindow(headers: Record<string, string>, unit: 'requests' | 'tokens', window: LimitWindow): void {
  headers[`x-ratelimit-limit-${unit}`] = String(window.limit);
  headers[`x-ratelimit-remaining-${unit}`] = String(window.remaining);
  headers[`x-ratelimit-reset-${unit}`] = formatDuration(window.resetMs);
}

/** Formats milliseconds as OpenAI writes durations: `0s`, `6ms`, `1.52s`, `1m2s`, `6m0s`, `1h0m3.5s`. */
export function formatDuration(ms: number): string {
  const whole = Math.max(0, Math.ceil(ms));
  if (whole === 0) return '0s';
  if (whole < 1000) return `${whole}ms`;
  const hours = Math.floor(whole / 3_600_000);
  const minutes = Math.floor((whole % 3_600_000) / 60_000);
  const seconds = `${(whole % 60_000) / 1000}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
