import { AiBalancerError } from '../errors';

/**
 * The error of a call that the queue has shed, because it is full or no quota can serve the call in time. `waitMs`
 * becomes Retry-After if it is finite.
 */
export function saturatedError(reason: string, waitMs: number): AiBalancerError {
  const isKnown = Number.isFinite(waitMs);
  const retryAfterMs = Math.max(1, Math.ceil(waitMs));
  return new AiBalancerError(
    'ERR_AI_SATURATED',
    isKnown ? `${reason}; retry after ${retryAfterMs} ms` : reason,
    {
      status: 503,
      retryable: true,
      ...(isKnown && { retryAfterMs }),
    },
  );
}

export function queueDeadlineError(): AiBalancerError {
  return new AiBalancerError('ERR_AI_DEADLINE', 'deadline exceeded in the wait queue', {
    status: 504,
    retryable: true,
  });
}

export function queueAbortedError(): AiBalancerError {
  return new AiBalancerError('ERR_AI_ABORTED', 'the caller aborted the call in the wait queue', {
    status: 499,
  });
}
