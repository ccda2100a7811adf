import type { FailureClass } from './classes';
import { isContextWindow } from './context-window';
import { type FailureDetail, safeLabel, safeMessage } from './detail';
import { type ErrorBody, readErrorBody } from './error-body';
import type { HttpAnswer, HttpHeaders } from './http-answer';
import { hasCode } from './message-text';
import {
  findMissingModel,
  lacksCapability,
  mentionsRequestPart,
  namesCallersResource,
} from './missing-model';
import {
  isContentPolicy,
  isQuotaExhausted,
  isUnauthorized,
  PERMISSION_CODES,
  POLICY_CODES,
} from './patterns';
import { isTooLarge } from './request-too-large';
import { readRetryAfter, readShouldRetry } from './retry-after';

/**
 * Classifies an HTTP response that is not a 2xx by its status, headers and body. Never throws; takes time linear in the
 * length of the body. Custom dialects can use it for their `failure`.
 */
export function classifyAnswer(answer: HttpAnswer): FailureDetail {
  const body = readErrorBody(answer.body);
  return toFailureDetail(classOf(answer.status, body), body, answer);
}

/**
 * Statuses that describe a fault of the request, in addition to those handled in classOf(). Any other 4xx, such as the
 * 418 or 451 of a firewall, does not mean that another endpoint would fail as well.
 */
const ABOUT_THE_REQUEST: ReadonlySet<number> = new Set([
  406, 409, 411, 412, 414, 415, 416, 417, 424, 428, 431,
]);

/** Returns the failure class for an HTTP status and an error body. */
export function classOf(status: number, body: ErrorBody): FailureClass {
  if (status >= 500) return classOfServerError(status, body);
  switch (status) {
    case 400:
    case 422:
      return classOfBadRequest(body);
    case 413:
      return classOfTooLarge(body);
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
    case 405:
    case 410:
      return classOfNotFound(body);
    case 407:
      return 'connection';
    case 408:
      return 'timeout';
    case 429:
      return isTooLarge(body) ? 'too_large' : isQuotaExhausted(body) ? 'quota_exhausted' : 'rate_limited';
    // Groq: the flex tier is full. The caller chose that tier, so other calls are not affected.
    case 498:
      return 'too_large';
    // nginx reports that its client closed the connection. That client was a proxy between us and nginx: when our own
    // caller aborts, there is no response, and the class is 'aborted'.
    case 499:
      return 'server';
    default:
      // Redirects are not followed, since they would send the key to another server.
      if (status < 400) return 'bad_answer';
      return ABOUT_THE_REQUEST.has(status) ? 'bad_request' : 'not_served';
  }
}

/** Some servers and proxies respond with a 5xx to a fault of the caller or an unsupported operation. */
function classOfServerError(status: number, body: ErrorBody): FailureClass {
  if (body.isStructured && isContextWindow(body)) return 'context_window';
  if (hasCode(body, POLICY_CODES)) return 'content_policy';
  return status === 501 || lacksCapability(body) ? 'not_served' : 'server';
}

function classOfBadRequest(body: ErrorBody): FailureClass {
  if (isContextWindow(body)) return 'context_window';
  if (isContentPolicy(body)) return 'content_policy';
  if (isTooLarge(body)) return 'too_large';
  if (isQuotaExhausted(body)) return 'quota_exhausted';
  if (isUnauthorized(body)) return 'unauthorized';
  return classOfMissingModel(body) ?? 'bad_request';
}

function classOfTooLarge(body: ErrorBody): FailureClass {
  const failureClass = classOfBadRequest(body);
  // An HTML page or an empty body comes from a proxy in front of the provider: another endpoint may have a higher
  // limit.
  return failureClass === 'bad_request' && !body.isStructured ? 'not_served' : failureClass;
}

function classOfForbidden(body: ErrorBody): FailureClass {
  if (isContentPolicy(body)) return 'content_policy';
  if (isTooLarge(body)) return 'too_large';
  if (isQuotaExhausted(body)) return 'quota_exhausted';
  const missing = classOfMissingModel(body);
  if (missing) return missing;
  if (isUnauthorized(body)) return 'unauthorized';
  if (hasCode(body, PERMISSION_CODES)) return mentionsRequestPart(body) ? 'bad_request' : 'unauthorized';
  return namesCallersResource(body) ? 'bad_request' : 'not_served';
}

function classOfNotFound(body: ErrorBody): FailureClass {
  if (isContentPolicy(body)) return 'content_policy';
  if (findMissingModel(body)) return body.isStructured ? 'model_missing' : 'not_served';
  return namesCallersResource(body) ? 'bad_request' : 'not_served';
}

/**
 * Returns 'model_missing', which starts a cooldown of an hour, if the upstream itself states that the model is missing;
 * 'not_served' if the message only mentions it, as it may quote the request; undefined otherwise.
 */
function classOfMissingModel(body: ErrorBody): 'model_missing' | 'not_served' | undefined {
  const evidence = findMissingModel(body);
  return evidence === undefined ? undefined : evidence === 'mention' ? 'not_served' : 'model_missing';
}

/** Builds the detail of a failure that came as a response. */
export function toFailureDetail(
  failureClass: FailureClass,
  body: ErrorBody,
  answer: { status?: number; headers?: HttpHeaders },
): FailureDetail {
  const headers = answer.headers ?? {};
  const status = answer.status;
  return {
    class: failureClass,
    status,
    code: safeLabel(body.code),
    message:
      safeMessage(fullMessage(body)) || (status === undefined ? 'Error without a message' : `HTTP ${status}`),
    param: safeLabel(body.param),
    type: safeLabel(body.type),
    retryAfterMs: readRetryAfter(headers, body.retryDelayMs, mayNameDelay(status) ? body.message : ''),
    shouldRetry: readShouldRetry(headers),
    lacksCapability: failureClass === 'not_served' && lacksCapability(body) ? true : undefined,
  };
}

/**
 * Whether a retry delay in the error's message is used: only with a 429 or a 5xx. With any other status the message is
 * about the request and may quote a delay from it.
 */
function mayNameDelay(status: number | undefined): boolean {
  return status === 429 || (status !== undefined && status >= 500);
}

/**
 * The message, with the nested one appended: OpenRouter's own is only "Provider returned error", and the nested one of
 * the provider behind it states the cause.
 */
function fullMessage(body: ErrorBody): string {
  return body.nestedMessage === undefined ? body.message : `${body.message}: ${body.nestedMessage}`;
}
