import type { Request } from 'express';
import { checkContext } from '../call/check-options';
import type { RequestContext } from '../call/context';
import { CONTEXT_HEADERS, type ContextHeader } from '../config/middleware-options';

const parseNumber = (text: string): number => (text.trim() === '' ? Number.NaN : Number(text));

const PARSERS: Readonly<Record<ContextHeader, (text: string) => Partial<RequestContext>>> = {
  'x-ai-priority': (text) => ({
    priority: parseNumber(text) as RequestContext['priority'],
  }),
  'x-ai-type': (text) => ({ type: text as RequestContext['type'] }),
  'x-ai-max-latency-ms': (text) => ({ maxLatencyMs: parseNumber(text) }),
  'x-ai-max-cost-per-1k': (text) => ({ maxCostPer1k: parseNumber(text) }),
};

/** @throws ERR_AI_BAD_REQUEST for an invalid value, such as a priority of 7 or a negative limit. */
export function contextFromHeaders(
  req: Request,
  allowed: boolean | readonly ContextHeader[],
): Partial<RequestContext> {
  if (allowed === false) return {};
  const context: Partial<RequestContext> = {};
  for (const name of allowed === true ? CONTEXT_HEADERS : allowed) {
    const value = req.headers[name];
    if (typeof value === 'string') Object.assign(context, PARSERS[name](value));
  }
  checkContext(context);
  return context;
}
