import { CONTEXT_CHECKS, OPTION_CHECKS } from '../call/check-options';
import type { Check } from '../call/checks';
import { isObject } from '../util/is-object';
import { type Fault, schemaFaults } from './config-errors';
import { guardFaults } from './guard-options';
import { callable, options, validator } from './validators';

/** A header that can set a part of the context. */
export type ContextHeader = 'x-ai-priority' | 'x-ai-type' | 'x-ai-max-latency-ms' | 'x-ai-max-cost-per-1k';

export const CONTEXT_HEADERS: readonly ContextHeader[] = [
  'x-ai-priority',
  'x-ai-type',
  'x-ai-max-latency-ms',
  'x-ai-max-cost-per-1k',
];

const HEADER_NAMES: readonly unknown[] = CONTEXT_HEADERS;

const ROUTER = options({
  ...Object.fromEntries(Object.entries(CONTEXT_CHECKS).map(([name, check]) => [name, optional(check)])),
  context: callable('a function of the request').optional(),
  allowHeaders: validator(
    `true, false or an array of ${CONTEXT_HEADERS.join(', ')}`,
    (value) =>
      typeof value === 'boolean' ||
      (Array.isArray(value) && value.every((name) => HEADER_NAMES.includes(name))),
  ).optional(),
});

const EXECUTOR = options({
  timeoutMs: optional(OPTION_CHECKS.timeoutMs),
  fallbacks: optional(OPTION_CHECKS.fallbacks),
  hedge: optional(OPTION_CHECKS.hedge),
});

const BALANCER = options({
  guard: validator(
    'an object, or what rateLimitGuard() returned',
    (value) => isObject(value) || typeof value === 'function',
  ).optional(),
  router: validator('an object', isObject).optional(),
  executor: validator('an object', isObject).optional(),
});

/** Everything wrong with the options of `smartRouter()`. */
export function routerFaults(given: unknown): Fault[] {
  return faultsOf(ROUTER, given);
}

/** Everything wrong with the options of `failoverExecutor()`. */
export function executorFaults(given: unknown): Fault[] {
  return faultsOf(EXECUTOR, given);
}

/** Everything wrong with the second argument of `aiBalancer()`. */
export function aiBalancerFaults(given: unknown): Fault[] {
  const own = faultsOf(BALANCER, given);
  if (!isObject(given)) return own;
  const { guard, router, executor } = given;
  return [
    ...own,
    ...(isObject(guard) ? under('guard', guardFaults(guard)) : []),
    ...(isObject(router) ? under('router', routerFaults(router)) : []),
    ...(isObject(executor) ? under('executor', executorFaults(executor)) : []),
  ];
}

function under(name: string, faults: readonly Fault[]): Fault[] {
  return faults.map((fault) => ({ ...fault, path: [name, ...fault.path] }));
}

function faultsOf(schema: ReturnType<typeof options>, given: unknown): Fault[] {
  const { error } = schema.safeParse(given);
  return error ? schemaFaults(given, error.issues) : [];
}

/** A check of a call's option as a validator. An undefined value fails every check, which then says what it expects. */
function optional(check: Check) {
  return validator(check(undefined) ?? '', (value) => check(value) === undefined).optional();
}
