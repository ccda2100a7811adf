import type { ErrorBody } from './error-body';
import { codeTable, hasCode, messagesOf } from './message-text';
import { isQuotaExhausted } from './patterns';

/**
 * Codes for a request that is too large, or whose service tier, chosen by the caller, is full. The endpoint still
 * serves other requests.
 */
const CODES = codeTable(`
  request_too_large payload_too_large request_entity_too_large tokens_limit_exceeded_by_request
  capacity_exceeded resource_unavailable
`);
// Prepaid proxies reserve the price of max_tokens, so a request may be too expensive although the account has credit.
const PREPAID_CODES = codeTable('insufficient_user_quota pre_consume_token_quota_failed');

const TOO_LARGE =
  /^(?:request (?:body |payload |entity )?(?:is )?too large|extra usage is required for long context|(?:the |your |this )?request (?:is larger than|(?:body |size )?exceeds the maximum))|\b(?:single request|request alone|request itself|request by itself) (?:exceeds|is larger than|is above|is over|would exceed)\b/;
const AMOUNT = '[~(: ]{0,3}(\\d[\\d,_]{0,20}(?:\\.\\d{1,3})?k?)';
/** "Limit 7000, Used 0, Requested ~12903", "limit of 7,000 tokens per minute", "limit: 30k". */
const LIMIT = new RegExp(
  `\\b(?:limit|maximum|max)(?: (?:of|is|for|per|tokens?|requests?|tpm|rpm|minute|on))* ?\\(?${AMOUNT}`,
);
const REQUESTED = new RegExp(
  `\\brequested(?: (?:tokens?|about|approximately|is|size))*${AMOUNT}|` +
    `\\b(?:your|this|the) request (?:of|has|contains|needs|requires|uses|with|is|for)?${AMOUNT} (?:input |prompt )?tokens|` +
    `\\brequest(?:ed)? (?:size|tokens|token count)${AMOUNT}`,
);
const AFFORDABLE = /fewer max_tokens\b.{0,200}?can only afford (-?[\d,]{1,20})/;

/** Whether this request alone exceeds a limit of the endpoint, so that smaller ones would pass. */
export function isTooLarge(body: ErrorBody): boolean {
  if (hasCode(body, CODES) || (hasCode(body, PREPAID_CODES) && !isQuotaExhausted(body))) return true;
  return messagesOf(body).some((message) => {
    if (TOO_LARGE.test(message)) return true;
    const affordable = AFFORDABLE.exec(message)?.[1];
    if (affordable !== undefined) return parseAmount(affordable) > 0;
    const requested = REQUESTED.exec(message)?.slice(1).find(Boolean);
    const limit = LIMIT.exec(message)?.[1];
    return limit !== undefined && requested !== undefined && parseAmount(requested) > parseAmount(limit);
  });
}

function parseAmount(text: string): number {
  const amount = Number(text.replace(/[,_k]/g, ''));
  return text.endsWith('k') ? amount * 1000 : amount;
}
