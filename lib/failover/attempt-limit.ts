import { type Call, remainingMs } from '../call/call';
import type { TimeLimit } from '../endpoint/attempt-slot-parts';
import { hasOwnDeadline } from '../endpoint/deadline-timeout';
import type { Endpoint } from '../endpoint/endpoint';

/**
 * A stream's attempt is ended after this multiple of its expected time to first token, but not before
 * `MIN_FIRST_TOKEN_MS`.
 */
const FIRST_TOKEN_FACTOR = 8;
const MIN_FIRST_TOKEN_MS = 8_000;
/**
 * A whole answer's attempt is ended after this multiple of its expected time, but not before `timeouts.firstTokenMs`.
 */
const WHOLE_FACTOR = 3;
/** Limit on the time to first token of models that reason before they answer, in milliseconds. */
const REASONING_MS = 300_000;

/** Half of the time is left to another endpoint only after this much, in milliseconds. */
const MIN_HALF_MS = 1_000;
/** An attempt leaves at least this multiple of another endpoint's predicted time before the deadline. */
const ALTERNATIVE_FACTOR = 1.5;

/** An attempt whose expected time exceeds this share of the time left is unlikely to end before the deadline. */
const LIKELY_SHARE = 0.8;

/**
 * The time limit of an attempt: for a stream until its first content, else until the whole answer. If another endpoint
 * could still serve the call, a silent attempt is ended early enough to try that one.
 *
 * @param alternativeMs The shortest predicted time of another endpoint; Infinity if there is none.
 */
export function attemptLimit(call: Call, endpoint: Endpoint, alternativeMs: number): TimeLimit {
  const now = performance.now();
  const remaining = Math.max(1, remainingMs(call, now));
  const expected = endpoint.predictLatency(call, now);
  const ownLimitMs = call.stream
    ? firstTokenLimitMs(endpoint, expected.firstTokenMs, alternativeMs)
    : wholeLimitMs(call, endpoint, expected.totalMs, alternativeMs);
  const expectedMs = call.stream ? expected.firstTokenMs : expected.totalMs;
  const switchLimitMs =
    alternativeMs === Infinity
      ? Infinity
      : switchAtMs(call, endpoint, { remaining, expectedMs, alternativeMs });
  return { ms: Math.min(remaining, ownLimitMs, switchLimitMs), withoutDeadlineMs: ownLimitMs };
}

/** When a silent attempt leaves the rest of the time before the deadline to another endpoint, in milliseconds. */
function switchAtMs(
  call: Call,
  endpoint: Endpoint,
  times: { readonly remaining: number; readonly expectedMs: number; readonly alternativeMs: number },
): number {
  const { remaining, expectedMs, alternativeMs } = times;
  const latestMs = remaining - ALTERNATIVE_FACTOR * alternativeMs;
  // The other endpoint must leave the attempt a real chance.
  const isMuchFaster =
    expectedMs > LIKELY_SHARE * remaining &&
    2 * alternativeMs < expectedMs &&
    latestMs >= Math.min(MIN_HALF_MS, remaining / 4);
  if (latestMs <= expectedMs && !isMuchFaster) return Infinity;
  if ((call.stream && endpoint.settings.profile.reasoning) || !hasOwnDeadline(call, endpoint))
    return latestMs;
  // Half of the time is left if the attempt is late by then, because the other endpoint may be slower than predicted.
  const lateMs = (call.stream ? FIRST_TOKEN_FACTOR : WHOLE_FACTOR) * expectedMs;
  return Math.min(latestMs, Math.max(remaining / 2, lateMs, MIN_HALF_MS));
}

/**
 * Time left, in milliseconds, for an attempt that has run for `elapsedMs` and whose call no other endpoint can serve.
 */
export function patientLimitMs(call: Call, endpoint: Endpoint, elapsedMs: number): number {
  const remaining = remainingMs(call, performance.now());
  const limitMs = call.stream
    ? firstTokenLimitMs(endpoint, 0, Infinity)
    : wholeLimitMs(call, endpoint, 0, Infinity);
  return Math.max(0, Math.min(remaining, limitMs - elapsedMs));
}

/** The shortest time limit of a probe, in milliseconds. */
const MIN_PROBE_MS = 3_000;

/**
 * The time limit of a probe that runs beside a served call, in milliseconds. It is shorter than the attempt's own
 * `limitMs`, because nobody waits for the probe and one that hangs would delay the next probe of its endpoint.
 */
export function probeLimitMs(call: Call, endpoint: Endpoint, limitMs: number): number {
  const expected = endpoint.predictLatency(call, performance.now());
  const lateMs = call.stream ? FIRST_TOKEN_FACTOR * expected.firstTokenMs : WHOLE_FACTOR * expected.totalMs;
  return Math.min(limitMs, Math.max(MIN_PROBE_MS, lateMs));
}

/**
 * The share of the predicted output time that a stream is assumed to need at least, so that a running stream isn't
 * ended because of an uncertain prediction.
 */
const CERTAIN_OUTPUT_SHARE = 0.7;

/**
 * Whether a stream whose first content has just arrived would miss the deadline although another endpoint could still
 * meet it: an endpoint with a slow first token is assumed to be slow to the end.
 *
 * @param firstTokenMs The attempt's time to first token.
 * @param readyMs The shortest predicted time of another endpoint that can start the call now. Called only if this
 *   stream would miss the deadline.
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
  // Half of the short total time of embeddings is kept for another attempt.
  const limitMs =
    call.operation === 'embeddings' ? total / 2 : Math.max(timeouts.firstTokenMs, WHOLE_FACTOR * expectedMs);
  return Math.min(total, limitMs);
}
