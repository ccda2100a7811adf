const whole = new Intl.NumberFormat('en-US');
const short = new Intl.NumberFormat('en-US', { notation: 'compact', maximumSignificantDigits: 3 });
const clockFormat = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
const NONE = '–';

export function count(value) {
  return value === undefined || value === null ? NONE : whole.format(Math.round(value));
}

export function compact(value) {
  if (value === undefined || value === null) return NONE;
  return Math.abs(value) < 10_000 ? whole.format(Math.round(value)) : short.format(value).toLowerCase();
}

export function percent(share) {
  const value = share * 100;
  if (value === 0 || value >= 9.95) return `${Math.round(value)} %`;
  return value < 0.1 ? '<0.1 %' : `${value.toFixed(1)} %`;
}

export function milliseconds(value) {
  if (value === undefined || value === null) return NONE;
  if (value < 1_000) return `${Math.round(value)} ms`;
  return value < 100_000 ? `${(value / 1_000).toFixed(value < 9_950 ? 1 : 0)} s` : span(value);
}

export function usd(value) {
  if (value === undefined || value === null) return NONE;
  if (value === 0) return '$0';
  if (value < 0.001) return '<$0.001';
  return `$${value.toFixed(value < 0.1 ? 3 : value < 100 ? 2 : 0)}`;
}

export function clock(at) {
  return clockFormat.format(at);
}

/** A time to wait, such as '45 s' or '9 min'. */
export function span(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1_000));
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

const CLASS_LABELS = {
  rate_limited: 'rate limited',
  too_large: 'too large',
  quota_exhausted: 'quota exhausted',
  model_missing: 'model missing',
  not_served: 'not served',
  server: 'server error',
  bad_answer: 'bad answer',
  context_window: 'context window',
  content_policy: 'content policy',
  bad_request: 'bad request',
};

/** A failure class in words. */
export function failureLabel(failureClass) {
  return CLASS_LABELS[failureClass] ?? failureClass;
}
