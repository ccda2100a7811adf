import type { Call } from '../call/call';
import type { SlotEndpoint, TimeLimit } from './attempt-slot-parts';

interface EndedAttempt {
  readonly call: Call;
  readonly endpoint: SlotEndpoint;
  readonly startedAt: number;
  /** The limit of an attempt that has ended without any response. */
  readonly timeLimit: TimeLimit | undefined;
  /** How long the endpoint may answer nothing before it counts as silent, in milliseconds. */
  readonly silenceMs: number;
  readonly now: number;
}

/**
 * Whether the deadline of the call, rather than the endpoint, is to blame for the timeout of an attempt: it was ended at
 * the deadline, or before it to leave time for another endpoint.
 */
export function isEndedByDeadline(attempt: EndedAttempt): boolean {
  if (hasUsedHalfTimeout(attempt)) return false;
  return attempt.now >= attempt.call.deadlineAt || isEndedForAnother(attempt);
}

/**
 * Whether the attempt was ended before the deadline, only to leave time for another endpoint. False if the endpoint
 * answers no attempt at all: then it is to blame.
 */
function isEndedForAnother({ endpoint, startedAt, timeLimit, silenceMs, now }: EndedAttempt): boolean {
  if (!timeLimit) return false;
  const elapsedMs = now - startedAt;
  if (elapsedMs < timeLimit.ms || elapsedMs >= timeLimit.withoutDeadlineMs) return false;
  const { activity } = endpoint.health;
  activity.recordUnanswered(startedAt);
  return activity.unansweredMs(now) < silenceMs;
}

/**
 * Whether the attempt had at least half of the configured timeout for a whole answer. The timeout of such an attempt
 * counts against the endpoint; a timeout caused by a shorter deadline of the caller does not.
 */
function hasUsedHalfTimeout({ call, endpoint, startedAt, now }: EndedAttempt): boolean {
  const { embeddingsMs, totalMs } = endpoint.settings.timeouts;
  const timeoutMs = call.operation === 'embeddings' ? embeddingsMs : totalMs;
  const isConfigured = !call.stream && call.deadlineAt - call.startedAt >= timeoutMs;
  return isConfigured && now - startedAt >= timeoutMs / 2;
}
