/** The longest plausible wait, in milliseconds. A larger value is an error or a timestamp in the wrong field. */
export const MAX_WAIT_MS = 24 * 3_600_000;

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  milli: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const DURATION = /^(?:\d{1,12}(?:\.\d{0,12})?(?:ns|us|µs|ms|s|m|h|d)){1,6}$/;
const DURATION_PART = /(\d{1,12}(?:\.\d{0,12})?)(ns|us|µs|ms|s|m|h|d)/g;
const DECIMAL = /^\d{1,16}(?:\.\d{0,16})?$/;

/**
 * Parses a duration in the notation of Go or protobuf (`6ms`, `7.66s`, `1h2m3.5s`) to milliseconds; undefined for
 * anything else.
 */
export function parseDuration(text: string): number | undefined {
  if (text.length > 64 || !DURATION.test(text)) return undefined;
  return sumDurations(text.matchAll(DURATION_PART));
}

/** Total milliseconds of all pairs of amount and unit that a pattern has matched. */
export function sumDurations(parts: Iterable<RegExpExecArray>): number {
  let total = 0;
  for (const [, amount, unit] of parts)
    total += Number(amount) * (UNIT_MS[(unit as string).toLowerCase()] as number);
  return total;
}

/**
 * Parses a plain decimal such as `12` or `0.5`; undefined for signs, exponents, hexadecimals, words and the empty
 * string.
 */
export function parseDecimal(text: string | undefined): number | undefined {
  return text !== undefined && DECIMAL.test(text) ? Number(text) : undefined;
}
