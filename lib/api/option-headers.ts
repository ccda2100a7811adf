import { createHash, randomUUID } from 'node:crypto';
import { CONTEXT_CHECKS, checkCallOptions } from '../call/check-options';
import type { CallOptions, RequestContext } from '../call/context';
import { type ContextHeader, HARMLESS_HEADERS } from '../config/middleware-options';

/** The context and the call options that the headers of a request set for its calls. */
export interface HeaderOptions {
  readonly context: Partial<RequestContext>;
  readonly options: Pick<CallOptions, 'timeoutMs' | 'fallbacks' | 'hedge' | 'endpoint'>;
}

const parseNumber = (text: string): number => (text.trim() === '' ? Number.NaN : Number(text));
/** Returns text other than 'true' and 'false' unchanged, which the later check then refuses. */
const parseFlag = (text: string): boolean | string =>
  /^(?:true|false)$/.test(text) ? text === 'true' : text;
const parseList = (text: string): string[] => text.split(',').map((name) => name.trim());

const PARSERS: Readonly<
  Record<ContextHeader, (text: string) => Partial<Record<keyof CallOptions, unknown>>>
> = {
  'x-ai-priority': (text) => ({ priority: parseNumber(text) }),
  'x-ai-type': (text) => ({ type: text }),
  'x-ai-max-latency-ms': (text) => ({ maxLatencyMs: parseNumber(text) }),
  'x-ai-max-cost-per-1k': (text) => ({ maxCostPer1k: parseNumber(text) }),
  'x-ai-min-quality': (text) => ({ minQuality: parseNumber(text) }),
  'x-ai-session': (text) => ({ session: text }),
  'x-ai-timeout-ms': (text) => ({ timeoutMs: parseNumber(text) }),
  'x-ai-hedge': (text) => ({ hedge: parseFlag(text) }),
  'x-ai-tags': (text) => ({ tags: parseList(text) }),
  'x-ai-fallbacks': (text) => ({ fallbacks: text === 'false' ? false : parseList(text) }),
  'x-ai-tenant': (text) => ({ tenant: text }),
  'x-ai-endpoint': (text) => ({ endpoint: text }),
};

/**
 * Reads the call options from the headers that the app allows.
 *
 * @param header Returns the value of the header with this lower-case name.
 * @throws ERR_AI_BAD_REQUEST for an invalid value, such as a priority of 7 or a negative limit.
 */
export function readOptionHeaders(
  header: (name: string) => unknown,
  allowed: boolean | readonly ContextHeader[],
): HeaderOptions {
  const given: Partial<Record<keyof CallOptions, unknown>> = {};
  const names = allowed === true ? HARMLESS_HEADERS : allowed === false ? [] : allowed;
  for (const name of names) {
    const value = header(name);
    if (typeof value === 'string') Object.assign(given, PARSERS[name](value));
  }
  checkCallOptions(given);
  const isContext = ([name]: [string, unknown]): boolean => Object.hasOwn(CONTEXT_CHECKS, name);
  const entries = Object.entries(given);
  return {
    context: Object.fromEntries(entries.filter(isContext)),
    options: Object.fromEntries(entries.filter((entry) => !isContext(entry))),
  };
}

/** Returns the client's request id if it is safe to log, otherwise a new one. */
export function requestIdFrom(given: unknown): string {
  return typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID();
}

/** Returns the key of an `idempotency-key` header, or the hash of a long one; undefined if there is none. */
export function idempotencyKeyFrom(given: string | readonly string[] | null | undefined): string | undefined {
  const key = String(given ?? '');
  if (key === '') return undefined;
  return key.length > 256 ? createHash('sha256').update(key).digest('hex') : key;
}
