import type { Request } from 'express';
import { checkContext } from '../call/check-options';
import type { RequestContext } from '../call/context';
import { badRequest } from '../errors';

const parseNumber = (text: string): number => (text.trim() === '' ? Number.NaN : Number(text));

/** A header that can set a part of the context. */
export type ContextHeader = 'x-ai-priority' | 'x-ai-type' | 'x-ai-max-latency-ms' | 'x-ai-max-cost-per-1k';

const PARSERS: Readonly<Record<ContextHeader, (text: string) => Partial<RequestContext>>> = {
  'x-ai-priority': (text) => ({
    priority: parseNumber(text) as RequestContext['priority'],
  }),
  'x-ai-type': (text) => ({ type: text as RequestContext['type'] }),
  'x-ai-max-latency-ms': (text) => ({ maxLatencyMs: parseNumber(text) }),
  'x-ai-max-cost-per-1k': (text) => ({ maxCostPer1k: parseNumber(text) }),
};

const NAMES = Object.keys(PARSERS) as ContextHeader[];

/** @throws ERR_AI_BAD_REQUEST if the option is neither a boolean nor an array of known header names. */
export function checkAllowedHeaders(allowed: unknown): void {
  if (typeof allowed === 'boolean') return;
  const known: readonly unknown[] = NAMES;
  if (Array.isArray(allowed) && allowed.every((name) => known.includes(name))) return;
  throw badRequest('allowHeaders', `expected true, false or an array of ${NAMES.join(', ')}`);
}

/** @throws ERR_AI_BAD_REQUEST for an invalid value, such as a priority of 7 or a negative limit. */
export function contextFromHeaders(
  req: Request,
  allowed: boolean | readonly ContextHeader[],
): Partial<RequestContext> {
  if (allowed === false) return {};
  const context: Partial<RequestContext> = {};
  for (const name of allowed === true ? NAMES : allowed) {
    const value = req.headers[name];
    if (typeof value === 'string') Object.assign(context, PARSERS[name](value));
  }
  checkContext(context);
  return context;
}
