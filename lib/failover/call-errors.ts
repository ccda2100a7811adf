import { AiBalancerError, type AiBalancerErrorOptions } from '../errors';
import type { FailureDetail } from '../failure/detail';
import type { RouteRecorder } from './route-recorder';

/** An error of the caller's own, with the upstream's message and status. */
export function callerError(detail: FailureDetail, recorder: RouteRecorder): AiBalancerError {
  const code = detail.class === 'content_policy' ? 'ERR_AI_CONTENT_POLICY' : 'ERR_AI_BAD_REQUEST';
  return new AiBalancerError(code, detail.message, {
    ...routeOf(recorder),
    status: detail.status ?? 400,
    ...(detail.param === undefined ? {} : { param: detail.param }),
    ...(detail.type === undefined ? {} : { type: detail.type }),
    ...(detail.code === undefined ? {} : { upstreamCode: detail.code }),
  });
}

export function contextWindowError(detail: FailureDetail, recorder: RouteRecorder): AiBalancerError {
  return new AiBalancerError('ERR_AI_CONTEXT_WINDOW', detail.message, {
    ...routeOf(recorder),
    status: 400,
    param: 'messages',
  });
}

/** Every endpoint tried failed. */
export function allFailedError(
  recorder: RouteRecorder,
  retryAfterMs: number | undefined,
  why?: string,
): AiBalancerError {
  const { attempts } = recorder;
  const limited = attempts.every((attempt) => attempt.class === 'rate_limited');
  const list = attempts
    .map(({ endpoint, class: failure, status, ms }) => {
      const statusText = status === undefined ? '' : ` ${status}`;
      return `${endpoint} (${failure ?? 'unknown'}${statusText} after ${ms} ms)`;
    })
    .join(', ');
  return new AiBalancerError(
    'ERR_AI_ALL_FAILED',
    `every endpoint tried failed: ${list}${why ? `; ${why}` : ''}`,
    {
      ...routeOf(recorder),
      status: limited ? 429 : 502,
      retryable: true,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  );
}

export function unavailableError(recorder: RouteRecorder, retryAfterMs: number | undefined): AiBalancerError {
  return new AiBalancerError(
    'ERR_AI_UNAVAILABLE',
    'every endpoint that could serve this call is unavailable: breaker open, cooling down or disabled',
    {
      ...routeOf(recorder),
      status: 503,
      retryable: true,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  );
}

export function deadlineError(recorder: RouteRecorder): AiBalancerError {
  return new AiBalancerError(
    'ERR_AI_DEADLINE',
    `deadline exceeded (${recorder.deadlineMs.toLocaleString('en')} ms)`,
    {
      ...routeOf(recorder),
      status: 504,
      retryable: true,
    },
  );
}

/** A stream died after its first content and could not be recovered. */
export function streamBrokenError(
  detail: FailureDetail,
  recorder: RouteRecorder,
  partialText: string,
): AiBalancerError {
  return new AiBalancerError(
    'ERR_AI_STREAM_BROKEN',
    `the stream broke off after its first content: ${detail.message}`,
    {
      ...routeOf(recorder),
      status: 502,
      retryable: true,
      partialText,
    },
  );
}

/** The error with the call's attempts and route added. */
export function withRoute(error: AiBalancerError, recorder: RouteRecorder): AiBalancerError {
  return new AiBalancerError(error.code, error.message, {
    ...routeOf(recorder),
    status: error.status,
    retryable: error.retryable,
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    ...(error.param === undefined ? {} : { param: error.param }),
    ...(error.type === undefined ? {} : { type: error.type }),
    ...(error.upstreamCode === undefined ? {} : { upstreamCode: error.upstreamCode }),
    publicMessage: error.publicMessage,
    ...(error.partialText === undefined ? {} : { partialText: error.partialText }),
  });
}

function routeOf(recorder: RouteRecorder): AiBalancerErrorOptions {
  return { attempts: [...recorder.attempts], route: recorder.report() };
}
