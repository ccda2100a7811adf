import type { FailureClass } from './classes';
import { detailOf, type FailureDetail, safeLabel, safeMessage } from './detail';
import { type ErrorBody, readErrorBody } from './error-body';
import type { HttpAnswer, HttpHeaders } from './http-answer';
import {
  callerFaultClass,
  isContentPolicy,
  isContextWindow,
  isForbiddenKey,
  isModelMissing,
  isQuotaExhausted,
  isTooLarge,
  isUnauthorized,
} from './patterns';
import { readRetryAfter, readShouldRetry } from './retry-after';

/**
 * Classifies an HTTP response that is not a 2xx, by its status, headers and body. Never throws; takes time linear in the
 * length of the body. A custom dialect can build its `failure` on it.
 */
export function classifyAnswer(answer: HttpAnswer): FailureDetail {
  const body = readErrorBody(answer.body);
  return toFailureDetail(classOf(answer.status, body), body, answer);
}

/** The class of an HTTP status together with an error body. */
export function classOf(status: number, body: ErrorBody): FailureClass {
  if (status >= 500) return callerFaultClass(body) ?? 'server';
  switch (status) {
    case 400:
    case 413:
    case 422:
      return classOfBadRequest(body);
    case 401:
      return 'unauthorized';
    case 402:
      return isTooLarge(body)
        ? 'too_large'
        : body.codes.has('openrouter_in_flight_budget')
          ? 'rate_limited'
          : 'quota_exhausted';
    case 403:
      return classOfForbidden(body);
    case 404:
    case 410:
      return isContentPolicy(body)
        ? 'content_policy'
        : isModelMissing(body)
          ? 'model_missing'
          : 'bad_request';
    case 407:
      return 'connection';
    case 408:
      return 'timeout';
    case 429:
      return isTooLarge(body) ? 'too_large' : isQuotaExhausted(body) ? 'quota_exhausted' : 'rate_limited';
    // Groq: the flex tier is full. The caller asked for that tier, so other calls are not affected.
    case 498:
      return 'too_large';
    // A proxy that lost its connection to the client of its own: not our caller, who would have aborted.
    case 499:
      return 'server';
    default:
      // A redirect is not followed, since it would carry the key away.
      return status >= 400 ? 'bad_request' : 'bad_answer';
  }
}

function classOfBadRequest(body: ErrorBody): FailureClass {
  if (isContextWindow(body)) return 'context_window';
  if (isContentPolicy(body)) return 'content_policy';
  if (isTooLarge(body)) return 'too_large';
  if (isQuotaExhausted(body)) return 'quota_exhausted';
  if (isUnauthorized(body)) return 'unauthorized';
  if (isModelMissing(body)) return 'model_missing';
  return 'bad_request';
}

function classOfForbidden(body: ErrorBody): FailureClass {
  if (isContentPolicy(body)) return 'content_policy';
  if (isTooLarge(body)) return 'too_large';
  if (isQuotaExhausted(body)) return 'quota_exhausted';
  if (isModelMissing(body)) return 'model_missing';
  return isForbiddenKey(body) ? 'unauthorized' : 'bad_request';
}

/** The detail of a failure that came as a response. */
export function toFailureDetail(
  failureClass: FailureClass,
  body: ErrorBody,
  answer: { status?: number; headers?: HttpHeaders },
): FailureDetail {
  const headers = answer.headers ?? {};
  const status = answer.status;
  return detailOf({
    class: failureClass,
    status,
    code: safeLabel(body.code),
    message:
      safeMessage(fullMessage(body)) || (status === undefined ? 'Error without a message' : `HTTP ${status}`),
    param: safeLabel(body.param),
    type: safeLabel(body.type),
    retryAfterMs: readRetryAfter(headers, body.retryDelayMs),
    shouldRetry: readShouldRetry(headers),
    staleSocket: undefined,
  });
}

/** OpenRouter's own message is only "Provider returned error"; the message of the provider behind it has the cause. */
function fullMessage(body: ErrorBody): string {
  return body.nestedMessage === undefined ? body.message : `${body.message}: ${body.nestedMessage}`;
}
