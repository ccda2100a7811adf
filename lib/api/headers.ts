import { type AiBalancerError, retryHeaders } from '../errors';
import type { RouteReport } from '../route-report';

type Headers = Record<string, string>;

/** How the call was served. A stream's cost is not known yet when its headers are sent. */
export function routeHeaders({ endpoint, attempts, costUsd, shared }: RouteReport): Headers {
  return {
    ...(shared === 'cached' ? { 'x-ai-cache': 'hit' } : {}),
    ...(shared === 'stale' ? { 'x-ai-cache': 'stale' } : {}),
    'x-ai-endpoint': encodeHeaderValue(endpoint),
    'x-ai-attempts': String(attempts.length),
    ...(costUsd === undefined ? {} : { 'x-ai-cost-usd': formatUsd(costUsd) }),
  };
}

export function errorHeaders(error: AiBalancerError): Headers {
  const { status, code, attempts } = error;
  return {
    ...(attempts ? { 'x-ai-attempts': String(attempts.length) } : {}),
    ...retryHeaders(error),
    ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
    // The client's next attempt must reach another process.
    ...(code === 'ERR_AI_CLOSED' ? { connection: 'close' } : {}),
  };
}

/** An endpoint's name may contain characters that a header cannot. */
function encodeHeaderValue(text: string): string {
  return /^[\x21-\x7e]+$/.test(text) ? text : encodeURIComponent(text);
}

/** Without an exponent, to a billionth of a dollar. */
function formatUsd(usd: number): string {
  return usd.toFixed(9).replace(/\.?0+$/, '');
}
