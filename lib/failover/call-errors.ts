import type { CallSignal } from '../call/call-signal';
import type { Endpoint } from '../endpoint/endpoint';
import { describeFailure } from '../endpoint/unavailable-reason';
import { AiBalancerError, type AiBalancerErrorCode, type AiBalancerErrorOptions } from '../errors';
import type { FailureDetail } from '../failure/detail';
import type { Obstacle } from '../routing/availability';
import type { RouteRecorder } from './route-recorder';

/** The most endpoints or attempts that an error message lists. */
const MAX_LISTED = 10;

/** The error for a fault of the caller, such as a bad request, with the upstream's message and status. */
export function callerError(detail: FailureDetail, recorder: RouteRecorder): AiBalancerError {
  const code = detail.class === 'content_policy' ? 'ERR_AI_CONTENT_POLICY' : 'ERR_AI_BAD_REQUEST';
  const { message, status = 400, param, type } = detail;
  return errorWithRoute(code, message, recorder, { status, param, type, upstreamCode: detail.code });
}

export function contextWindowError({ message }: FailureDetail, recorder: RouteRecorder): AiBalancerError {
  return errorWithRoute('ERR_AI_CONTEXT_WINDOW', message, recorder, { status: 400, param: 'messages' });
}

/** The error when every endpoint tried has failed: status 429 if all were rate limited, else 502. */
export function allFailedError(
  recorder: RouteRecorder,
  retryAfterMs: number | undefined,
  why?: string,
): AiBalancerError {
  const { attempts } = recorder;
  const limited = attempts.every((attempt) => attempt.class === 'rate_limited');
  const list = attempts
    .slice(0, MAX_LISTED)
    .map((attempt) => `${attempt.endpoint}: ${describeFailure(attempt)} after ${attempt.ms} ms`)
    .join('; ');
  const more = attempts.length > MAX_LISTED ? `; and ${attempts.length - MAX_LISTED} more attempts` : '';
  const message = `every endpoint tried failed: ${list}${more}${why ? `; ${why}` : ''}`;
  const options = { status: limited ? 429 : 502, retryable: true, retryAfterMs };
  return errorWithRoute('ERR_AI_ALL_FAILED', message, recorder, options);
}

export function unavailableError(
  recorder: RouteRecorder,
  retryAfterMs: number | undefined,
  endpoints: readonly Endpoint[],
): AiBalancerError {
  const now = performance.now();
  const list = endpoints
    .slice(0, MAX_LISTED)
    .map((endpoint) => `${endpoint.name}: ${endpoint.unavailable.reason(now) ?? 'can take calls again'}`)
    .join('; ');
  const more = endpoints.length > MAX_LISTED ? `; and ${endpoints.length - MAX_LISTED} more` : '';
  const message = `every endpoint that could serve this call is unavailable: ${list}${more}`;
  return errorWithRoute('ERR_AI_UNAVAILABLE', message, recorder, {
    status: 503,
    retryable: true,
    retryAfterMs,
  });
}

/**
 * The error when only budgets keep every endpoint from serving the call: 429 if they are spent, 503 if the store of one
 * is unreachable, because then it is not known whether money is left.
 */
export function budgetError(
  recorder: RouteRecorder,
  retryAfterMs: number | undefined,
  obstacles: readonly (Obstacle | undefined)[],
): AiBalancerError {
  const reasons = obstacles.map((obstacle) => obstacle?.removedBy ?? '');
  const list = [...new Set(reasons)].slice(0, MAX_LISTED).join('; ');
  const isUnconfirmed = obstacles.some((obstacle) => obstacle?.isUnconfirmed);
  return errorWithRoute(
    'ERR_AI_BUDGET',
    `${isUnconfirmed ? 'the budget for this call cannot be checked' : 'no money is left for this call'}: ${list}`,
    recorder,
    {
      status: isUnconfirmed ? 503 : 429,
      retryable: retryAfterMs !== undefined,
      retryAfterMs,
      ...(isUnconfirmed ? { publicMessage: 'The budget for AI calls cannot be checked at the moment.' } : {}),
    },
  );
}

/** @param partialText What a stream had sent before the deadline. */
export function deadlineError(recorder: RouteRecorder, partialText?: string): AiBalancerError {
  const { attempts, waitMs, deadlineMs } = recorder;
  const last = attempts.at(-1);
  const parts: string[] = [];
  if (Math.round(waitMs) > 0) parts.push(`${milliseconds(waitMs)} in the wait queue`);
  if (last) {
    const number = attempts.length === 1 ? 'one attempt' : `${attempts.length} attempts, the last`;
    parts.push(`${number} at endpoint '${last.endpoint}' for ${milliseconds(last.ms)}`);
  }
  const spent = parts.length > 0 ? `: ${parts.join(', ')}` : '';
  // Names of endpoints are not for clients.
  const publicMessage = `deadline exceeded (${milliseconds(deadlineMs)})`;
  const options = { status: 504, retryable: true, partialText, publicMessage };
  return errorWithRoute('ERR_AI_DEADLINE', `${publicMessage}${spent}`, recorder, options);
}

/** The error when a stream broke off after its first content and could not be recovered. */
export function streamBrokenError(
  detail: FailureDetail,
  recorder: RouteRecorder,
  partialText: string,
): AiBalancerError {
  const message = `the stream broke off after its first content: ${detail.message}`;
  return errorWithRoute('ERR_AI_STREAM_BROKEN', message, recorder, {
    status: 502,
    retryable: true,
    partialText,
  });
}

/** The AiBalancerError that the signal was aborted with; if there is none, an ERR_AI_ABORTED. */
export function abortedError(signal?: CallSignal): AiBalancerError {
  const reason: unknown = signal?.reason;
  if (AiBalancerError.isInstance(reason)) return reason;
  return new AiBalancerError('ERR_AI_ABORTED', 'the caller aborted the call before it was answered', {
    status: 499,
  });
}

/**
 * Adds the attempts and the route of the call to an AiBalancerError that has no route. Returns other errors unchanged.
 */
export function withRoute(error: unknown, recorder: RouteRecorder): unknown {
  if (!AiBalancerError.isInstance(error) || error.route !== undefined) return error;
  const { code, message, status, retryable, retryAfterMs, param } = error;
  const { type, upstreamCode, publicMessage, partialText } = error;
  const fields = { status, retryable, retryAfterMs, param, type, upstreamCode, publicMessage, partialText };
  return errorWithRoute(code, message, recorder, fields);
}

function errorWithRoute(
  code: AiBalancerErrorCode,
  message: string,
  recorder: RouteRecorder,
  options: AiBalancerErrorOptions,
): AiBalancerError {
  const attempts = [...recorder.attempts];
  return new AiBalancerError(code, message, { attempts, route: recorder.report(), ...options });
}

function milliseconds(ms: number): string {
  return `${Math.round(ms).toLocaleString('en')} ms`;
}
