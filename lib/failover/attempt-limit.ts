import { type Call, remainingMs } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';

/** A stream's endpoint is left after so many times its expected time to first token, but not before so long. */
const FIRST_TOKEN_FACTOR = 8;
const MIN_FIRST_TOKEN_MS = 8_000;
/** A whole answer's endpoint is left after so many times its expected time, but not before `firstTokenMs`. */
const WHOLE_FACTOR = 3;
/** Models that think before they answer. */
const REASONING_MS = 300_000;

/** An attempt is left while the deadline leaves the other endpoint so many times its predicted time. */
const ALTERNATIVE_FACTOR = 1.5;

/**
 * How long an attempt may take: for a stream until its first content, else until the whole answer. While another
 * endpoint could still serve, one that says nothing is left early enough for the other to be tried.
 *
 * @param alternativeMs The least time another endpoint is predicted to take; Infinity where there is none.
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

/**
 * Whether a stream that shows its first content now would miss the deadline, while another endpoint would not: a slow
 * first token comes from an endpoint that is slow to the end.
 *
 * @param firstTokenMs What the attempt took until now.
 */
export function isTooSlowToFinish(
  call: Call,
  endpoint: Endpoint,
  firstTokenMs: number,
  alternativeMs: number,
): boolean {
  const remaining = remainingMs(call, performance.now());
  if (remaining === Infinity || ALTERNATIVE_FACTOR * alternativeMs > remaining) return false;
  return endpoint.latency.outputMs(call, firstTokenMs) > remaining;
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
  // Of a short total, half is left for another try.
  const limitMs =
    call.operation === 'embeddings' ? total / 2 : Math.max(timeouts.firstTokenMs, WHOLE_FACTOR * expectedMs);
  return Math.min(total, limitMs);
}
