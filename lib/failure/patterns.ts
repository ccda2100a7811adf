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
const MODEL_CODES = [
  'model_not_found',
  'deploymentnotfound',
  'model_decommissioned',
  'invalid_model',
  'err_ai_no_endpoint',
];
const CONTEXT_CODES = [
  'context_length_exceeded',
  'context_window_exceeded',
  'exceed_context_size_error',
  'err_ai_context_window',
  'nested:context_length_exceeded',
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
/** The service tier that the caller asked for is full; other requests are served. */
const TIER_CODES = ['capacity_exceeded', 'resource_unavailable'];

const CONTEXT_MESSAGE = new RegExp(
  [
    "^(?:this model|this endpoint)'s maximum context length is",
    '^prompt is too long\\b',
    '^input is too long\\b',
    '^input length and `?max_tokens`? exceed context limit',
    '^the input token count \\(?[\\d,]{0,20}\\)? ?exceeds the maximum number of tokens',
    '^prompt contains [\\d,]{1,20} tokens.{0,200}maximum context length',
    '^the (?:request|prompt) exceeds the available context size',
    'please reduce the length of the messages or completion',
    'maximum context length (?:is|of) [\\d,]{1,20} tokens',
  ].join('|'),
  'i',
);
const POLICY_MESSAGE =
  /^(?:output blocked by content filtering policy|content exists risk|the response was filtered due to the prompt triggering|your request was rejected as a result of our safety system|invalid prompt: your prompt was flagged)/i;
const QUOTA_EXHAUSTED_MESSAGE =
  /^(?:your credit balance is too low|you have reached your specified (?:workspace )?api usage limits|out of call volume quota|insufficient (?:account )?balance|用户额度不足)/i;
const BAD_KEY_MESSAGE =
  /^(?:api key not valid|api key expired|your api key was reported as leaked|incorrect api key provided|invalid api key|user location is not supported for the api use|this organization has been disabled|access denied due to|method doesn't allow unregistered callers)/i;
const MISSING_MODEL_MESSAGE =
  /^(?:model: \S{1,200}$|models\/\S{1,200} is not found for api version|the model `[^`]{1,200}` (?:does not exist|has been de)|project `[^`]{1,200}` does not have access to model|invalid model: |model not exist$|model ["'][^"']{1,200}["'] not found|\S{1,200} is not a valid model id$|no endpoints found for \S{1,200}$)/i;
/** Things that a request names. A refusal that mentions one is about the request, not about the key. */
const CALLER_NAMED_RESOURCE =
  /\b(?:files?|images?|urls?|documents?|containers?|skills?|tools?|assistants?|threads?|vector stores?|cached ?contents?|responses?|conversations?|prompts?|tuned ?models?|fine-?tun\w{0,8}|service[ _]tiers?|betas?|features?|parameters?|resource group)\b/i;
const TOO_LARGE_MESSAGE =
  /^(?:request too large|extra usage is required for long context|the request is larger than)/i;
const LIMIT_AND_REQUESTED = /\blimit:? ([\d,]{1,20})\b.{0,100}?\brequested:? ([\d,]{1,20})\b/i;
const AFFORDABLE = /fewer max_tokens\b.{0,200}?can only afford (-?[\d,]{1,20})/i;
// Prepaid proxies reserve the price of max_tokens, so the request may be too expensive for an account that has credit.
const PREPAID_CODES = ['insufficient_user_quota', 'pre_consume_token_quota_failed'];

function hasAnyCode(body: ErrorBody, codes: readonly string[]): boolean {
  return codes.some((code) => body.codes.has(code));
}

/** The prompt exceeds the context window. */
export function isContextWindow(body: ErrorBody): boolean {
  return hasAnyCode(body, CONTEXT_CODES) || messagesOf(body).some((text) => CONTEXT_MESSAGE.test(text));
}

/** A caller's fault that the error's code names. Only a code can excuse a 5xx. */
export function callerFaultClass(body: ErrorBody): 'context_window' | 'content_policy' | undefined {
  return hasAnyCode(body, CONTEXT_CODES)
    ? 'context_window'
    : hasAnyCode(body, POLICY_CODES)
      ? 'content_policy'
      : undefined;
}

/** Moderation refused the prompt or the answer. */
export function isContentPolicy(body: ErrorBody): boolean {
  return (
    body.isFlagged ||
    hasAnyCode(body, POLICY_CODES) ||
    messagesOf(body).some((text) => POLICY_MESSAGE.test(text))
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

/** This request alone exceeds a limit of the endpoint; smaller ones would pass. */
export function isTooLarge(body: ErrorBody): boolean {
  if (hasAnyCode(body, TIER_CODES) || TOO_LARGE_MESSAGE.test(body.message)) return true;
  if (hasAnyCode(body, PREPAID_CODES) && !QUOTA_EXHAUSTED_MESSAGE.test(body.message)) return true;
  const affordable = AFFORDABLE.exec(body.message)?.[1];
  if (affordable !== undefined) return parseAmount(affordable) > 0;
  const [, limit, requested] = LIMIT_AND_REQUESTED.exec(body.message) ?? [];
  return limit !== undefined && requested !== undefined && parseAmount(requested) > parseAmount(limit);
}

/** The key, its account or its region is refused, whatever the request. */
export function isUnauthorized(body: ErrorBody): boolean {
  return hasAnyCode(body, KEY_CODES) || (body.isStructured && BAD_KEY_MESSAGE.test(body.message));
}

/** The key lacks a permission; not a refusal of something that the request names. */
export function isForbiddenKey(body: ErrorBody): boolean {
  if (isUnauthorized(body)) return true;
  return (
    hasAnyCode(body, PERMISSION_CODES) &&
    body.param === undefined &&
    !CALLER_NAMED_RESOURCE.test(body.message)
  );
}

/** The endpoint's model or deployment doesn't exist. */
export function isModelMissing(body: ErrorBody): boolean {
  return hasAnyCode(body, MODEL_CODES) || (body.isStructured && MISSING_MODEL_MESSAGE.test(body.message));
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

function messagesOf(body: ErrorBody): string[] {
  return body.nestedMessage === undefined ? [body.message] : [body.message, body.nestedMessage];
}

function parseAmount(text: string): number {
  return Number(text.replaceAll(',', ''));
}
