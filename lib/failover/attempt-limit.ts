import { type Call, remainingMs } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';

/** A stream's attempt ends after this multiple of its expected time to first token, but never before the minimum. */
const FIRST_TOKEN_FACTOR = 8;
const MIN_FIRST_TOKEN_MS = 8_000;
/** A whole answer's attempt ends after this multiple of its expected time, but never before `firstTokenMs`. */
const WHOLE_FACTOR = 3;
/** Time to first token of models that reason before they answer. */
const REASONING_MS = 300_000;

/** An attempt ends while this multiple of another endpoint's predicted time is left before the deadline. */
const ALTERNATIVE_FACTOR = 1.5;

/**
 * The time limit of an attempt: for a stream until its first content, else until the whole answer. While another
 * endpoint could still serve, a silent one is given up early enough for the other to be tried.
 *
 * @param alternativeMs The shortest predicted time of another endpoint; Infinity where there is none.
 */
export function attemptLimitMs(call: Call, endpoint: Endpoint, alternativeMs: number): number {
  const now = performance.now();
  const remaining = Math.max(1, remainingMs(call, now));
  const expected = endpoint.predictLatency(call, now);
  const ownLimitMs = call.stream
    ? firstTokenLimitMs(endpoint, expected.firstTokenMs, alternativeMs)
    : wholeLimitMs(call, endpoint, expected.totalMs, alternativeMs);
  const expectedMs = call.stream ? expected.firstTokenMs : expected.totalMs;
  const switchByMs = remaining - ALTERNATIVE_FACTOR * alternativeMs;
  const switchLimitMs = switchByMs > ALTERNATIVE_FACTOR * expectedMs ? switchByMs : Infinity;
  return Math.min(remaining, ownLimitMs, switchLimitMs);
}

/** What is left of the time of an attempt that no other endpoint can take over, in milliseconds. */
export function patientLimitMs(call: Call, endpoint: Endpoint, elapsedMs: number): number {
  const remaining = remainingMs(call, performance.now());
  const limitMs = call.stream
    ? firstTokenLimitMs(endpoint, 0, Infinity)
    : wholeLimitMs(call, endpoint, 0, Infinity);
  return Math.max(0, Math.min(remaining, limitMs - elapsedMs));
}

/** A probe has this time at least, in milliseconds, and this multiple of its expected time. */
const MIN_PROBE_MS = 3_000;

/**
 * The time limit of a probe beside a served call. Nobody waits for it, and another may follow: one that hangs is given up
 * before its attempt's own limit, so that it doesn't keep the endpoint away.
 */
export function probeLimitMs(call: Call, endpoint: Endpoint, limitMs: number): number {
  const expected = endpoint.predictLatency(call, performance.now());
  const lateMs = call.stream ? FIRST_TOKEN_FACTOR * expected.firstTokenMs : WHOLE_FACTOR * expected.totalMs;
  return Math.min(limitMs, Math.max(MIN_PROBE_MS, lateMs));
}

/** The share of the output's predicted time that is certain: a stream that is under way is not given up for a guess. */
const CERTAIN_OUTPUT_SHARE = 0.7;

/**
 * Whether a stream that shows its first content now would miss the deadline while another endpoint would not: an
 * endpoint with a slow first token is slow to the end.
 *
 * @param firstTokenMs The attempt's time to first token.
 * @param readyMs The shortest predicted time of another endpoint that can start the call now. Asked only if it matters.
 */
export function isTooSlowToFinish(
  call: Call,
  endpoint: Endpoint,
  firstTokenMs: number,
  readyMs: () => number,
): boolean {
  const remaining = remainingMs(call, performance.now());
  if (CERTAIN_OUTPUT_SHARE * endpoint.latency.outputMs(call, firstTokenMs) <= remaining) return false;
  return ALTERNATIVE_FACTOR * readyMs() <= remaining;
}

function firstTokenLimitMs({ settings }: Endpoint, expectedMs: number, alternativeMs: number): number {
  const { timeouts, profile } = settings;
  if (profile.reasoning) return REASONING_MS;
  if (alternativeMs === Infinity) return timeouts.firstTokenMs;
  return Math.min(timeouts.firstTokenMs, Math.max(MIN_FIRST_TOKEN_MS, FIRST_TOKEN_FACTOR * expectedMs));
}

function wholeLimitMs(call: Call, { settings }: Endpoint, expectedMs: number, alternativeMs: number): number {
  const { timeouts } = settings;
  const total = call.operation === 'embeddings' ? timeouts.embeddingsMs : timeouts.totalMs;
  if (alternativeMs === Infinity) return total;
  // Half of a short total is kept for another attempt.
  const limitMs =
    call.operation === 'embeddings' ? total / 2 : Math.max(timeouts.firstTokenMs, WHOLE_FACTOR * expectedMs);
  return Math.min(total, limitMs);
}
