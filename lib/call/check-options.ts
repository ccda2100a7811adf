import { badRequest } from '../errors';
import { isObject } from '../util/is-object';
import type { Optional } from '../util/optional';
import type { PipeOptions } from './ai-call';
import * as check from './checks';
import type { CallOptions, RequestContext } from './context';

const TYPES: readonly unknown[] = ['chat', 'embedding', 'analysis', 'code'];
/** Maximum length of a label. Labels are kept in memory for as long as the call, and some for longer. */
const MAX_LABEL = 512;

const label = check.createCheck(
  `a string of 1 to ${MAX_LABEL} characters`,
  (value) => typeof value === 'string' && value.length > 0 && value.length <= MAX_LABEL,
);
const priority = check.createCheck(
  'a whole number from 1 to 5',
  (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 5,
);
const type = check.createCheck("'chat', 'embedding', 'analysis' or 'code'", (value) => TYPES.includes(value));
const fallbacks = check.createCheck(
  'false or an array of model names',
  (value) => value === false || check.nonEmptyStrings(value) === undefined,
);

export const CONTEXT_CHECKS: check.Checks<keyof RequestContext> = {
  requestId: label,
  type,
  priority,
  maxLatencyMs: check.positiveNumber,
  maxCostPer1k: check.nonNegativeNumber,
  minQuality: check.fraction,
  estimatedTokens: check.nonNegativeNumber,
  estimatedOutputTokens: check.nonNegativeNumber,
  tenant: label,
  session: label,
  tags: check.nonEmptyStrings,
};

export const OPTION_CHECKS: check.Checks<keyof CallOptions> = {
  ...CONTEXT_CHECKS,
  signal: check.createCheck('an AbortSignal', isAbortSignal),
  timeoutMs: check.positiveNumber,
  fallbacks,
  hedge: check.boolean,
  endpoint: check.nonEmptyString,
  cache: check.boolean,
  idempotencyKey: label,
};

const PIPE_CHECKS: check.Checks<keyof PipeOptions> = {
  keepAliveMs: check.positiveNumber,
  headerDelayMs: check.createCheck(
    'milliseconds of at least 0, or Infinity',
    (value) => typeof value === 'number' && value >= 0,
  ),
  headers: check.createCheck(
    'an object of header values',
    (value) => isObject(value) && Object.values(value).every((header) => typeof header === 'string'),
  ),
  signal: check.createCheck('an AbortSignal', isAbortSignal),
};

/**
 * Checks the options of one call.
 *
 * @throws ERR_AI_BAD_REQUEST (400) that lists every invalid or unknown option; its `param` is the first.
 */
export function checkCallOptions(options: unknown): asserts options is CallOptions | undefined {
  if (options !== undefined) check.checkOptions('options', options, OPTION_CHECKS);
}

/**
 * Checks a whole or partial context that comes from a middleware option or a header. Throws as {@link checkCallOptions}
 * does.
 */
export function checkContext(context: unknown): asserts context is Optional<RequestContext> {
  check.checkOptions('context', context, CONTEXT_CHECKS);
}

/** Checks the options of `pipe()`. Throws as {@link checkCallOptions} does. */
export function checkPipeOptions(options: unknown): asserts options is PipeOptions {
  check.checkOptions('options', options, PIPE_CHECKS);
}

/** Part of a request's context, as a function of the app returns it. */
export type AppContext = Omit<Optional<RequestContext>, 'tenant'> & {
  /** The tenant of the request: a string of 1 to 512 characters. null and an empty string mean no tenant. */
  tenant?: string | null | undefined;
};

/**
 * Checks the context that a function of the app returned, and removes a tenant that is null or empty.
 *
 * @throws AiBalancerError ERR_AI_BAD_REQUEST (400) that lists every invalid field; its `param` is the first.
 */
export function checkAppContext(returned: unknown): Optional<RequestContext> {
  // An Error or a Map that a function returns by mistake has no fields either, and must not pass for an empty context.
  if (isObject(returned) && !isPlain(returned) && Object.keys(returned).length === 0) {
    throw badRequest('context', 'expected a plain object');
  }
  let context = returned;
  if (isObject(returned) && (returned.tenant === null || returned.tenant === '')) {
    const { tenant: _, ...others } = returned;
    context = others;
  }
  checkContext(context);
  return context;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Checked by shape, because a signal may come from another realm or a polyfill. */
function isAbortSignal(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as AbortSignal).aborted === 'boolean' &&
    typeof (value as AbortSignal).addEventListener === 'function'
  );
}
