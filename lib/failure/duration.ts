/** Longest wait that is believed. Anything above is a timestamp in the wrong field or nonsense. */
export const MAX_WAIT_MS = 24 * 3_600_000;

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const DURATION = /^(?:\d{1,12}(?:\.\d{0,12})?(?:ns|us|µs|ms|s|m|h|d)){1,6}$/;
const DURATION_PART = /(\d{1,12}(?:\.\d{0,12})?)(ns|us|µs|ms|s|m|h|d)/g;
const DECIMAL = /^\d{1,16}(?:\.\d{0,16})?$/;

/** Milliseconds of `6ms`, `1s`, `7.66s`, `1m2s`, `1h2m3.5s` (Go's and protobuf's notation); undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  if (text.length > 64 || !DURATION.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(DURATION_PART))
    total += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0);
  return total;
}

/** A plain decimal without a sign: `12`, `0.5`. Undefined for signs, exponents, hexadecimals, words and nothing. */
export function parseDecimal(text: string): number | undefined {
  return DECIMAL.test(text) ? Number(text) : undefined;
}
