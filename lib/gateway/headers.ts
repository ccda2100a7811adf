import type { RouteReport } from '../call/report';
import { type AiBalancerError, retryAfterHeader } from '../errors';

type Headers = Record<string, string>;

/** Some of OpenAI's clients ignore a longer Retry-After and come back at once. */
const LONGEST_CLIENT_WAIT_MS = 60_000;

/** How the call was served. A stream's cost isn't known yet when its headers are sent. */
export function routeHeaders({ endpoint, attempts, costUsd }: RouteReport): Headers {
  return {
    'x-ai-endpoint': encodeHeaderValue(endpoint),
    'x-ai-attempts': String(attempts.length),
    ...(costUsd === undefined ? {} : { 'x-ai-cost-usd': formatUsd(costUsd) }),
  };
}

export function errorHeaders(error: AiBalancerError): Headers {
  const { status, code, attempts, retryAfterMs } = error;
  const known = retryAfterMs !== undefined && Number.isFinite(retryAfterMs);
  return {
    ...(attempts ? { 'x-ai-attempts': String(attempts.length) } : {}),
    ...retryAfterHeader(retryAfterMs),
    ...(known ? { 'retry-after-ms': String(Math.max(1, Math.ceil(retryAfterMs))) } : {}),
    ...(isRetriedByClients(status) && !isWorthRetrying(error) ? { 'x-should-retry': 'false' } : {}),
    ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
    // The next try is to reach a process that stays.
    ...(code === 'ERR_AI_CLOSED' ? { connection: 'close' } : {}),
  };
}

/** The statuses that OpenAI's clients retry unless they are told not to. */
function isRetriedByClients(status: number): boolean {
  return status === 408 || status === 409 || status === 429 || status >= 500;
}

/**
 * The attempts that made sense have been made. Another one helps at a time that is known, or in another process; any
 * sooner it would only add load.
 */
function isWorthRetrying({ code, retryable, retryAfterMs = Infinity }: AiBalancerError): boolean {
  return code === 'ERR_AI_CLOSED' || (retryable && retryAfterMs <= LONGEST_CLIENT_WAIT_MS);
}

/** An endpoint's name may have letters that no header can carry. */
function encodeHeaderValue(text: string): string {
  return /^[\x21-\x7e]+$/.test(text) ? text : encodeURIComponent(text);
}

/** Without an exponent, to the billionth of a dollar. */
function formatUsd(usd: number): string {
  return usd.toFixed(9).replace(/\.?0+$/, '');
}
