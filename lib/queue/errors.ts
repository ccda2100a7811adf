import { AiBalancerError } from '../errors';

/** Refuses a call that no quota can serve in time. The wait is told only where it is known. */
export function saturatedError(why: string, waitMs: number): AiBalancerError {
  const known = Number.isFinite(waitMs);
  const retryAfterMs = Math.max(1, Math.ceil(waitMs));
  return new AiBalancerError(
    'ERR_AI_SATURATED',
    known ? `${why}; there is room in ${retryAfterMs} ms` : why,
    {
      status: 503,
      retryable: true,
      ...(known && { retryAfterMs }),
    },
  );
}

export function queueDeadlineError(): AiBalancerError {
  return new AiBalancerError('ERR_AI_DEADLINE', 'The deadline passed in the wait queue', {
    status: 504,
    retryable: true,
  });
}

export function queueAbortedError(): AiBalancerError {
  return new AiBalancerError('ERR_AI_ABORTED', 'The caller left the wait queue', { status: 499 });
}
