import type { FailureClass } from './classes';
import { detailOf, type FailureDetail, safeLabel, safeMessage } from './detail';
import { type ErrorBody, readErrorBody } from './error-body';
import type { ResponseHeaders } from './headers';
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
import { readRetryAfterHeaders, readShouldRetry } from './retry-after';

/** An HTTP answer as the transport has it. */
export interface HttpAnswer {
  status: number;
  headers: ResponseHeaders;
  body: string;
}

/** What an answer that isn't a 2xx means. Never throws; linear in the length of the body. */
export function classifyAnswer(answer: HttpAnswer): FailureDetail {
  const body = readErrorBody(answer.body);
  return toFailureDetail(classOf(answer.status, body), body, answer);
}

/** The class that a status and an error body together stand for. */
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
    // Groq's flex tier is full. The caller asked for that tier: nobody else's call has to rest.
    case 498:
      return 'too_large';
    // The upstream lost its own client, which was not us.
    case 499:
      return 'server';
    default:
      // Redirects aren't followed; a success or an informational status has no place here.
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

/** The detail of a failure that came as an answer. */
export function toFailureDetail(
  failureClass: FailureClass,
  body: ErrorBody,
  answer: { status?: number; headers?: ResponseHeaders },
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
    retryAfterMs: readRetryAfterHeaders(headers, undefined, body.retryDelayMs),
    shouldRetry: readShouldRetry(headers),
    staleSocket: undefined,
  });
}

/** A router's "Provider returned error" says nothing; what stood behind it does. */
function fullMessage(body: ErrorBody): string {
  return body.nestedMessage === undefined ? body.message : `${body.message}: ${body.nestedMessage}`;
}
