import type { ErrorBody } from './error-body';

/*
 * What in an error body tells the failure classes apart where the status doesn't. Codes come first: the upstream chose
 * them. A message may quote the caller, so where it alone decides that an endpoint cools down, its pattern is anchored
 * at the start of the message, which the upstream wrote. Patterns run on at most 4,096 characters.
 */

const QUOTA_CODES = [
  'insufficient_quota',
  'billing_hard_limit_reached',
  'billing_not_active',
  'billing_error',
  'enforced_spend_limit_reached',
  'insufficient_balance',
];
const KEY_CODES = [
  'invalid_api_key',
  'incorrect_api_key',
  'invalid_authentication',
  'authentication_error',
  'unauthenticated',
  'account_deactivated',
  'account_suspended',
  'access_terminated',
  'organization_restricted',
  'api_key_invalid',
  'api_key_service_blocked',
  'api_key_http_referrer_blocked',
  'api_key_ip_address_blocked',
  'service_disabled',
  'billing_disabled',
  'consumer_invalid',
  'consumer_suspended',
  'unsupported_country_region_territory',
  'ip_not_authorized',
  // LiteLLM: the key is not one that it knows without its database.
  'no_db_connection',
];
/** Used for a key that lacks a permission, but for a file id of the caller as well. */
const PERMISSION_CODES = [
  'permission_error',
  'permission_denied',
  'permissiondenied',
  'insufficient_permissions',
  'access_denied',
  'accessdenied',
];
const POLICY_CODES = [
  'content_filter',
  'content_policy_violation',
  'responsibleaipolicyviolation',
  'invalid_prompt',
  'moderation_blocked',
  'sensitive_words_detected',
  'data_inspection_failed',
  'err_ai_content_policy',
  'nested:content_filter',
  'nested:content_policy_violation',
];
const POLICY_MESSAGE =
  /contentpolicyviolation|^(?:output blocked by content filtering policy|content exists risk|the response was filtered due to the prompt triggering|your request was rejected as a result of our safety system|invalid prompt: your prompt was flagged)/i;
const QUOTA_EXHAUSTED_MESSAGE =
  /^(?:your credit balance is too low|you have reached your specified (?:workspace )?api usage limits|out of call volume quota|insufficient (?:account )?balance|用户额度不足)/i;
const BAD_KEY_MESSAGE =
  /^(?:api key not valid|api key expired|your api key was reported as leaked|(?:incorrect|invalid|missing|unknown|expired|no) (?:api|virtual|proxy)[ _-]?key\b|(?:your |the |this )?(?:api|virtual|proxy)[ _-]?key (?:is |has |was )?(?:not valid|invalid|incorrect|expired|revoked|disabled|missing)|user location is not supported for the api use|this organization has been disabled|access denied due to|method doesn't allow unregistered callers)/i;
function hasAnyCode(body: ErrorBody, codes: readonly string[]): boolean {
  return codes.some((code) => body.codes.has(code));
}

/** The error's code says that moderation refused the prompt or the answer. */
export function hasPolicyCode(body: ErrorBody): boolean {
  return hasAnyCode(body, POLICY_CODES);
}

/** Moderation refused the prompt or the answer. */
export function isContentPolicy(body: ErrorBody): boolean {
  return (
    body.isFlagged ||
    hasAnyCode(body, POLICY_CODES) ||
    [body.message, body.nestedMessage ?? ''].some((text) => POLICY_MESSAGE.test(text))
  );
}

/** The account's credit or long-term quota is used up. */
export function isQuotaExhausted(body: ErrorBody): boolean {
  return (
    hasAnyCode(body, QUOTA_CODES) ||
    body.quotaIds.some((id) => id.includes('perday') || id === 'zero') ||
    (body.isStructured && QUOTA_EXHAUSTED_MESSAGE.test(body.message))
  );
}

/** The key, its account or its region is refused, whatever the request. */
export function isUnauthorized(body: ErrorBody): boolean {
  return hasAnyCode(body, KEY_CODES) || (body.isStructured && BAD_KEY_MESSAGE.test(body.message));
}

/** The error's code says that the key lacks a permission. A caller's file id gives the same code. */
export function hasPermissionCode(body: ErrorBody): boolean {
  return hasAnyCode(body, PERMISSION_CODES);
}

const STATUS_BY_CODE: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  invalid_argument: 400,
  failed_precondition: 400,
  authentication_error: 401,
  unauthenticated: 401,
  billing_error: 402,
  permission_error: 403,
  permission_denied: 403,
  not_found_error: 404,
  not_found: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  resource_exhausted: 429,
  insufficient_quota: 429,
  too_many_requests: 429,
  api_error: 500,
  server_error: 500,
  internal: 500,
  internal_error: 500,
  unavailable: 503,
  service_unavailable: 503,
  timeout_error: 504,
  deadline_exceeded: 504,
  overloaded_error: 529,
};

/** The HTTP status that an error inside a 200 stands for: the number it names, else the one of its code. */
export function impliedStatus(body: ErrorBody): number | undefined {
  if (body.status !== undefined) return body.status;
  for (const code of body.codes) {
    const status = Object.hasOwn(STATUS_BY_CODE, code) ? STATUS_BY_CODE[code] : undefined;
    if (status !== undefined) return status;
  }
  return undefined;
}
