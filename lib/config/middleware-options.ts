import { z } from 'zod';
import { CONTEXT_CHECKS, checkContext, OPTION_CHECKS } from '../call/check-options';
import type { RateLimitGuardOptions } from '../tenant/guard-options';
import type { Limit } from '../tenant/limits';
import { type Fault, faultAt, optionsError, schemaFaults } from './config-errors';
import { callable, fromCheck, partial, validator, withMethods } from './validators';

export type CheckedGuardOptions = RateLimitGuardOptions & { readonly name: string };

/** A request header that can set a field of the context or an option of the calls. */
export type ContextHeader =
  | 'x-ai-priority'
  | 'x-ai-type'
  | 'x-ai-max-latency-ms'
  | 'x-ai-max-cost-per-1k'
  | 'x-ai-min-quality'
  | 'x-ai-session'
  | 'x-ai-timeout-ms'
  | 'x-ai-hedge'
  | 'x-ai-tags'
  | 'x-ai-fallbacks'
  | 'x-ai-tenant'
  | 'x-ai-endpoint';

/** The headers that `allowHeaders: true` allows. */
export const HARMLESS_HEADERS: readonly ContextHeader[] = [
  'x-ai-priority',
  'x-ai-type',
  'x-ai-max-latency-ms',
  'x-ai-max-cost-per-1k',
  'x-ai-min-quality',
  'x-ai-session',
  'x-ai-timeout-ms',
  'x-ai-hedge',
];

/**
 * All headers. Those that are not harmless must be allowed by name, because they could bypass a limit that the app has
 * set, for example by using another tenant's quota or another region.
 */
const CONTEXT_HEADERS: readonly ContextHeader[] = [
  ...HARMLESS_HEADERS,
  'x-ai-tags',
  'x-ai-fallbacks',
  'x-ai-tenant',
  'x-ai-endpoint',
];

/** Validates which headers a client may set. */
export const allowedHeaders = validator<boolean | readonly ContextHeader[]>(
  `true, false or an array of ${CONTEXT_HEADERS.join(', ')}`,
  (value) =>
    typeof value === 'boolean' ||
    (Array.isArray(value) && value.every((name) => (CONTEXT_HEADERS as readonly unknown[]).includes(name))),
);

const MAX_USD = 1_000_000;
const ofRequest = callable('a function of the request');

const ROUTER = partial({
  ...Object.fromEntries(Object.entries(CONTEXT_CHECKS).map(([name, check]) => [name, fromCheck(check)])),
  context: ofRequest,
  allowHeaders: allowedHeaders,
});

const EXECUTOR_FIELDS = {
  timeoutMs: fromCheck(OPTION_CHECKS.timeoutMs),
  fallbacks: fromCheck(OPTION_CHECKS.fallbacks),
  hedge: fromCheck(OPTION_CHECKS.hedge),
};
const EXECUTOR = partial(EXECUTOR_FIELDS);

const FETCH = partial({
  ...EXECUTOR_FIELDS,
  context: validator<object>(
    'a context, or a function that returns one',
    (value) => typeof value === 'function' || isContext(value),
  ),
  allowHeaders: allowedHeaders,
});

function isContext(value: unknown): boolean {
  try {
    checkContext(value);
    return true;
  } catch {
    return false;
  }
}

function limit(expected: string, max = Number.MAX_VALUE) {
  return validator<Limit>(
    `a finite number above 0, ${expected}`,
    (value) => typeof value === 'function' || (typeof value === 'number' && value > 0 && value <= max),
  );
}

const GUARD = partial({
  rpm: limit('or a function of the tenant'),
  tpm: limit('or a function of the tenant'),
  usdPerDay: limit(`at most ${MAX_USD}, or a function of the tenant`, MAX_USD),
  tenant: ofRequest,
  priority: ofRequest,
  skip: ofRequest,
  handler: callable('a function of the request, the response, next and the error'),
  redis: withMethods('an ioredis client', 'defineCommand', 'multi'),
  name: validator<string>(
    'a string of 1 to 64 letters, digits, "_", "." or "-"',
    (value) => typeof value === 'string' && /^[\w.-]{1,64}$/.test(value),
  ),
});

const BALANCER = partial({
  guard: z.union([callable('a function'), GUARD], { error: 'an object, or what rateLimitGuard() returned' }),
  router: ROUTER,
  executor: EXECUTOR,
});

export function guardFaults(given: unknown): Fault[] {
  return schemaFaults(given, GUARD.safeParse(given)).map(withBudgetHint);
}

/** Says where a limit in US dollars that a guard doesn't have is set. */
function withBudgetHint(fault: Fault): Fault {
  if (fault.path.length > 1 && fault.path[0] !== 'guard') return fault;
  const option = fault.path.at(-1);
  if (option !== 'usdPerHour' && option !== 'usdPerMonth') return fault;
  const expected = `an option that a guard has; set budgets.perTenant.${option} of the balancer for this limit`;
  return { ...fault, expected };
}

export function routerFaults(given: unknown): Fault[] {
  return schemaFaults(given, ROUTER.safeParse(given));
}

export function fetchFaults(given: unknown): Fault[] {
  return schemaFaults(given, FETCH.safeParse(given));
}

export function executorFaults(given: unknown): Fault[] {
  return schemaFaults(given, EXECUTOR.safeParse(given));
}

/** Returns all faults of the second argument of `aiBalancer()`. */
export function aiBalancerFaults(given: unknown): Fault[] {
  return schemaFaults(given, BALANCER.safeParse(given)).map(withBudgetHint);
}

/** The names of a balancer's guards. */
const guardNames = new WeakMap<object, Set<string>>();

/**
 * Returns the options with the guard's name: the given one, or a default that is unique for the balancer.
 *
 * @throws ERR_AI_CONFIG if another guard of the balancer has the given name.
 */
export function nameGuard(balancer: object, given: RateLimitGuardOptions): CheckedGuardOptions {
  const names = guardNames.get(balancer) ?? new Set<string>();
  guardNames.set(balancer, names);
  if (given.name !== undefined && names.has(given.name)) {
    throw optionsError('guard', [
      faultAt(given, ['name'], 'a name that no other guard of this balancer has'),
    ]);
  }
  const name = given.name ?? nextFreeName(names);
  names.add(name);
  return { ...given, name };
}

function nextFreeName(names: ReadonlySet<string>): string {
  let name = 'ai';
  for (let count = 2; names.has(name); count++) name = `ai-${count}`;
  return name;
}
