import { AiBalancerError, type AiBalancerErrorOptions } from '../errors';
import type { FailureDetail } from '../failure/detail';
import type { Trail } from './route-recorder';

/** The caller's fault comes back as the upstream told it. */
export function callersFault(detail: FailureDetail, trail: Trail): AiBalancerError {
  const code = detail.class === 'content_policy' ? 'ERR_AI_CONTENT_POLICY' : 'ERR_AI_BAD_REQUEST';
  return new AiBalancerError(code, detail.message, {
    ...told(trail),
    status: detail.status ?? 400,
    ...(detail.param === undefined ? {} : { param: detail.param }),
    ...(detail.type === undefined ? {} : { type: detail.type }),
    ...(detail.code === undefined ? {} : { upstreamCode: detail.code }),
  });
}

export function contextTooLong(detail: FailureDetail, trail: Trail): AiBalancerError {
  return new AiBalancerError('ERR_AI_CONTEXT_WINDOW', detail.message, {
    ...told(trail),
    status: 400,
    param: 'messages',
  });
}

/** Every endpoint tried failed. */
export function allFailed(trail: Trail, retryAfterMs: number | undefined, why?: string): AiBalancerError {
  const { attempts } = trail;
  const limited = attempts.every((attempt) => attempt.class === 'rate_limited');
  const list = attempts
    .map(({ endpoint, class: failure, status, ms }) => {
      const told = status === undefined ? '' : ` ${status}`;
      return `${endpoint} (${failure ?? 'unknown'}${told} after ${ms} ms)`;
    })
    .join(', ');
  return new AiBalancerError(
    'ERR_AI_ALL_FAILED',
    `every endpoint tried failed: ${list}${why ? `; ${why}` : ''}`,
    {
      ...told(trail),
      status: limited ? 429 : 502,
      retryable: true,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  );
}

export function unavailable(trail: Trail, retryAfterMs: number | undefined): AiBalancerError {
  return new AiBalancerError(
    'ERR_AI_UNAVAILABLE',
    'every endpoint that could serve this is open or resting',
    {
      ...told(trail),
      status: 503,
      retryable: true,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  );
}

export function deadlineError(trail: Trail): AiBalancerError {
  return new AiBalancerError('ERR_AI_DEADLINE', 'time ran out before the answer was there', {
    ...told(trail),
    status: 504,
    retryable: true,
  });
}

/** A stream died after its first content and could not be made whole. */
export function streamBroken(detail: FailureDetail, trail: Trail, partialText: string): AiBalancerError {
  return new AiBalancerError('ERR_AI_STREAM_BROKEN', `the stream broke off: ${detail.message}`, {
    ...told(trail),
    status: 502,
    retryable: true,
    partialText,
  });
}

/** An error of another part, with the call's way added. */
export function withTrail(error: AiBalancerError, trail: Trail): AiBalancerError {
  return new AiBalancerError(error.code, error.message, {
    ...told(trail),
    status: error.status,
    retryable: error.retryable,
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    ...(error.param === undefined ? {} : { param: error.param }),
    ...(error.type === undefined ? {} : { type: error.type }),
    ...(error.upstreamCode === undefined ? {} : { upstreamCode: error.upstreamCode }),
    ...(error.partialText === undefined ? {} : { partialText: error.partialText }),
  });
}

function told(trail: Trail): AiBalancerErrorOptions {
  return { attempts: [...trail.attempts], route: trail.summary() };
}
