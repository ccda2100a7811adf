import { badRequest } from '../errors';
import { didYouMean } from '../util/did-you-mean';
import { isObject } from '../util/is-object';
import type { PipeOptions } from './ai-call';
import {
  boolean,
  type Check,
  checkFields,
  createCheck,
  fieldError,
  fraction,
  nonEmptyString,
  nonEmptyStrings,
  nonNegativeNumber,
  positiveNumber,
} from './checks';
import type { CallOptions, RequestContext } from './context';

const TYPES: readonly unknown[] = ['chat', 'embedding', 'analysis', 'code'];
/** Labels are kept in memory for as long as the call, some longer, so their size is limited. */
const MAX_LABEL = 512;

const label = createCheck(
  `a string of 1 to ${MAX_LABEL} characters`,
  (value) => typeof value === 'string' && value.length > 0 && value.length <= MAX_LABEL,
);
const priority = createCheck(
  'a whole number from 1 to 5',
  (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 5,
);
const type = createCheck("'chat', 'embedding', 'analysis' or 'code'", (value) => TYPES.includes(value));
const fallbacks = createCheck(
  'false or an array of model names',
  (value) => value === false || nonEmptyStrings(value) === undefined,
);

/** What each field of a context must be. */
export const CONTEXT_CHECKS: Readonly<Record<keyof RequestContext, Check>> = {
  requestId: label,
  type,
  priority,
  maxLatencyMs: positiveNumber,
  maxCostPer1k: nonNegativeNumber,
  minQuality: fraction,
  estimatedTokens: nonNegativeNumber,
  estimatedOutputTokens: nonNegativeNumber,
  tenant: label,
  session: label,
  tags: nonEmptyStrings,
};

/** What each option of a call must be. */
export const OPTION_CHECKS: Readonly<Record<keyof CallOptions, Check>> = {
  ...CONTEXT_CHECKS,
  signal: createCheck('an AbortSignal', isAbortSignal),
  timeoutMs: positiveNumber,
  fallbacks,
  hedge: boolean,
  endpoint: nonEmptyString,
  idempotencyKey: label,
};

const PIPE_CHECKS: Readonly<Record<keyof PipeOptions, Check>> = {
  keepAliveMs: positiveNumber,
  headerDelayMs: createCheck(
    'milliseconds of at least 0, or Infinity',
    (value) => typeof value === 'number' && value >= 0,
  ),
  headers: createCheck(
    'an object of header values',
    (value) => isObject(value) && Object.values(value).every((header) => typeof header === 'string'),
  ),
  signal: createCheck('an AbortSignal', isAbortSignal),
};

const CONTEXT_FIELDS = Object.entries(CONTEXT_CHECKS);
const OPTION_FIELDS = Object.entries(OPTION_CHECKS);
const PIPE_FIELDS = Object.entries(PIPE_CHECKS);

/**
 * Checks the options of one call.
 *
 * @throws ERR_AI_BAD_REQUEST (400) that names the first invalid or unknown option.
 */
export function checkCallOptions(options: unknown): asserts options is CallOptions | undefined {
  if (options === undefined) return;
  if (!isObject(options)) throw fieldError('options', 'an object', options);
  checkNames(options, OPTION_CHECKS);
  checkFields(options, OPTION_FIELDS);
}

/**
 * Checks a whole or partial context that comes from a middleware option or a header.
 *
 * @throws ERR_AI_BAD_REQUEST (400) that names the first invalid or unknown field.
 */
export function checkContext(context: unknown): asserts context is Partial<RequestContext> {
  if (!isObject(context)) throw fieldError('context', 'an object', context);
  checkNames(context, CONTEXT_CHECKS);
  checkFields(context, CONTEXT_FIELDS);
}

/**
 * Checks the options of `pipe()`.
 *
 * @throws ERR_AI_BAD_REQUEST (400) that names the first invalid or unknown option.
 */
export function checkPipeOptions(options: unknown): asserts options is PipeOptions {
  if (!isObject(options)) throw fieldError('options', 'an object', options);
  checkNames(options, PIPE_CHECKS);
  checkFields(options, PIPE_FIELDS);
}

function checkNames(given: object, known: Readonly<Record<string, Check>>): void {
  for (const name in given) {
    if (Object.hasOwn(known, name)) continue;
    const near = didYouMean(name, Object.keys(known));
    throw badRequest(
      name.slice(0, 64),
      near === undefined ? 'unknown option' : `unknown option, did you mean '${near}'?`,
    );
  }
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
