import { type AiBalancerError, retryHeaders } from '../errors';
import type { RouteReport } from '../route-report';

type Headers = Record<string, string>;

/** Returns headers that say how the call was served. The cost of a stream is not known when its headers are sent. */
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
    // Makes the client reconnect, so that its next attempt can reach another process.
    ...(code === 'ERR_AI_CLOSED' ? { connection: 'close' } : {}),
  };
}

/** Percent-encodes a name that contains characters which a header cannot. */
function encodeHeaderValue(text: string): string {
  return /^[\x21-\x7e]+$/.test(text) ? text : encodeURIComponent(text);
}

/** Formats US dollars with up to nine decimals and without an exponent. */
function formatUsd(usd: number): string {
  return usd.toFixed(9).replace(/\.?0+$/, '');
}
