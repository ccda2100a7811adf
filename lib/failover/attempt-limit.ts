import { type Call, remainingMs } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';

/** A stream's endpoint is left after so many times its expected time to first token, but not before so long. */
const FIRST_TOKEN_FACTOR = 8;
const LEAST_FIRST_TOKEN_MS = 8_000;
/** A whole answer's endpoint is left after so many times its expected time, but not before `firstTokenMs`. */
const WHOLE_FACTOR = 3;
/** Models that think before they answer. */
const REASONING_MS = 300_000;

/**
 * How long an attempt may take: for a stream until its first content, else until the whole answer. While another
 * endpoint could still serve, one that says nothing is left early enough for the other to be tried.
 */
export function attemptLimitMs(call: Call, endpoint: Endpoint, othersLeft: boolean): number {
  const { timeouts, profile } = endpoint.settings;
  const remaining = Math.max(1, remainingMs(call, performance.now()));
  const expected = endpoint.expect(call, performance.now());
  if (call.stream) {
    const most = profile.reasoning ? REASONING_MS : timeouts.firstTokenMs;
    if (!othersLeft || profile.reasoning) return Math.min(remaining, most);
    const patient = Math.max(LEAST_FIRST_TOKEN_MS, FIRST_TOKEN_FACTOR * expected.firstTokenMs);
    return Math.min(remaining, most, patient);
  }
  const total = call.operation === 'embeddings' ? timeouts.embeddingsMs : timeouts.totalMs;
  if (!othersLeft) return Math.min(remaining, total);
  const patient = Math.max(timeouts.firstTokenMs, WHOLE_FACTOR * expected.totalMs);
  // Half of a short total is left for another try.
  const least = call.operation === 'embeddings' ? total / 2 : patient;
  return Math.min(remaining, total, least);
}
