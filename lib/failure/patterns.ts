import type { ErrorBody } from './error-body';
import { codeTable, hasCode } from './message-text';

/*
 * Codes and messages in an error body that determine the failure class if the status doesn't. Codes come first, as the
 * upstream chose them. A message may quote the caller; so if the message alone puts an endpoint into cooldown, its
 * pattern is anchored at the start, which the upstream wrote. Patterns run on at most 4,096 characters.
 */

const QUOTA_CODES = codeTable(`
  insufficient_quota billing_hard_limit_reached billing_not_active billing_error
  enforced_spend_limit_reached insufficient_balance
`);
/** `no_db_connection` comes from LiteLLM, which can't recognize the key without its database. */
const KEY_CODES = codeTable(`
  invalid_api_key incorrect_api_key invalid_authentication authentication_error unauthenticated
  account_deactivated account_suspended access_terminated organization_restricted api_key_invalid
  api_key_service_blocked api_key_http_referrer_blocked api_key_ip_address_blocked service_disabled
  billing_disabled consumer_invalid consumer_suspended unsupported_country_region_territory
  ip_not_authorized no_db_connection
`);
/** Codes for a missing permission of the key. The id of a caller's file can cause the same code. */
export const PERMISSION_CODES = codeTable(`
  permission_error permission_denied permissiondenied insufficient_permissions access_denied accessdenied
`);
/** Codes for a prompt or an answer that moderation refused. */
export const POLICY_CODES = codeTable(`
  content_filter content_policy_violation responsibleaipolicyviolation invalid_prompt moderation_blocked
  sensitive_words_detected data_inspection_failed err_ai_content_policy nested:content_filter
  nested:content_policy_violation
`);
const POLICY_MESSAGE =
  /contentpolicyviolation|^(?:output blocked by content filtering policy|content exists risk|the response was filtered due to the prompt triggering|your request was rejected as a result of our safety system|invalid prompt: your prompt was flagged)/i;
const QUOTA_EXHAUSTED_MESSAGE =
  /^(?:your credit balance is too low|you have reached your specified (?:workspace )?api usage limits|out of call volume quota|insufficient (?:account )?balance|用户额度不足)/i;
const BAD_KEY_MESSAGE =
  /^(?:api key not valid|api key expired|your api key was reported as leaked|(?:incorrect|invalid|missing|unknown|expired|no) (?:api|virtual|proxy)[ _-]?key\b|(?:your |the |this )?(?:api|virtual|proxy)[ _-]?key (?:is |has |was )?(?:not valid|invalid|incorrect|expired|revoked|disabled|missing)|user location is not supported for the api use|this organization has been disabled|access denied due to|method doesn't allow unregistered callers)/i;

/** Whether moderation refused the prompt or the answer. */
export function isContentPolicy(body: ErrorBody): boolean {
  return (
    body.isFlagged ||
    hasCode(body, POLICY_CODES) ||
    [body.message, body.nestedMessage ?? ''].some((text) => POLICY_MESSAGE.test(text))
  );
}

/** Whether the account's credit or long-term quota is used up. */
export function isQuotaExhausted(body: ErrorBody): boolean {
  return (
    hasCode(body, QUOTA_CODES) ||
    body.quotaIds.some((id) => id.includes('perday') || id === 'zero') ||
    (body.isStructured && QUOTA_EXHAUSTED_MESSAGE.test(body.message))
  );
}

/** Whether the key, its account or its region is refused, whatever the request. */
export function isUnauthorized(body: ErrorBody): boolean {
  return hasCode(body, KEY_CODES) || (body.isStructured && BAD_KEY_MESSAGE.test(body.message));
}

const STATUS_BY_CODE = new Map(
  Object.entries({
    400: 'invalid_request_error invalid_argument failed_precondition',
    401: 'authentication_error unauthenticated',
    402: 'billing_error',
    403: 'permission_error permission_denied',
    404: 'not_found_error not_found',
    413: 'request_too_large',
    429: 'rate_limit_error rate_limit_exceeded resource_exhausted insufficient_quota too_many_requests',
    500: 'api_error server_error internal internal_error',
    503: 'unavailable service_unavailable',
    504: 'timeout_error deadline_exceeded',
    529: 'overloaded_error',
  }).flatMap(([status, codes]) => codes.split(' ').map((code) => [code, Number(status)] as const)),
);

/** The HTTP status that an error inside a 200 stands for: the one it states, else the one of its code. */
export function impliedStatus(body: ErrorBody): number | undefined {
  if (body.status !== undefined) return body.status;
  for (const code of body.codes) {
    const status = STATUS_BY_CODE.get(code);
    if (status !== undefined) return status;
  }
  return undefined;
}
