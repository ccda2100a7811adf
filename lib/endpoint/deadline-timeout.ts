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
 * Whether the caller's deadline, rather than the endpoint, is to blame for the timeout of an attempt: it was ended at the
 * deadline, or before it to leave time for another endpoint. Where the deadline is the configured timeout, an attempt
 * that had at least half of it counts against the endpoint.
 */
export function isEndedByDeadline(attempt: EndedAttempt): boolean {
  const { call, endpoint, startedAt, now } = attempt;
  const isOver = now >= call.deadlineAt;
  if (!hasOwnDeadline(call, endpoint)) return isOver && now - startedAt < wholeTimeoutMs(call, endpoint) / 2;
  return isOver || isEndedForAnother(attempt);
}

/** Whether the caller has set a deadline shorter than the configured timeout for a whole answer. */
export function hasOwnDeadline(call: Call, endpoint: Pick<SlotEndpoint, 'settings'>): boolean {
  if (call.stream) return call.deadlineAt !== Infinity;
  // One millisecond allows for rounding.
  return call.deadlineAt - call.startedAt < wholeTimeoutMs(call, endpoint) - 1;
}

function wholeTimeoutMs({ operation }: Call, { settings }: Pick<SlotEndpoint, 'settings'>): number {
  const { embeddingsMs, totalMs } = settings.timeouts;
  return operation === 'embeddings' ? embeddingsMs : totalMs;
}

/**
 * Whether the attempt was ended before the deadline, only to leave time for another endpoint. Records such an attempt as
 * unanswered, and returns false once the endpoint has answered no attempt for too long: then it is to blame.
 */
function isEndedForAnother({ endpoint, startedAt, timeLimit, silenceMs, now }: EndedAttempt): boolean {
  if (!timeLimit) return false;
  const elapsedMs = now - startedAt;
  if (elapsedMs < timeLimit.ms || elapsedMs >= timeLimit.withoutDeadlineMs) return false;
  const { activity } = endpoint.health;
  activity.recordUnanswered(startedAt);
  return activity.unansweredMs(now) < silenceMs;
}
