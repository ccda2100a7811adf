import type { RateLimitGuardOptions } from '../tenant/guard-options';
import type { Limit } from '../tenant/limits';
import { type Fault, faultAt, optionsError, schemaFaults } from './config-errors';
import { callable, options, validator, withMethods } from './validators';

export type CheckedGuardOptions = RateLimitGuardOptions & { readonly name: string };

const NAME = /^[\w.-]{1,64}$/;
const MAX_USD = 1_000_000;

const limitValidator = (expected: string, max: number) =>
  validator<Limit>(
    expected,
    (value) =>
      typeof value === 'function' ||
      (typeof value === 'number' && Number.isFinite(value) && value > 0 && value <= max),
  ).optional();

const SCHEMA = options({
  rpm: limitValidator('a finite number above 0, or a function of the tenant', Number.MAX_VALUE),
  tpm: limitValidator('a finite number above 0, or a function of the tenant', Number.MAX_VALUE),
  usdPerDay: limitValidator(
    `a finite number above 0, at most ${MAX_USD}, or a function of the tenant`,
    MAX_USD,
  ),
  tenant: callable('a function of the request').optional(),
  priority: callable('a function of the request').optional(),
  skip: callable('a function of the request').optional(),
  handler: callable('a function of the request, the response, next and the error').optional(),
  redis: withMethods('an ioredis client', 'defineCommand', 'multi').optional(),
  name: validator<string>(
    'a string of 1 to 64 letters, digits, "_", "." or "-"',
    (value) => typeof value === 'string' && NAME.test(value),
  ).optional(),
});

/** The names of a balancer's guards. */
const guardNames = new WeakMap<object, Set<string>>();

/** Everything wrong with the options of a guard. */
export function guardFaults(given: unknown): Fault[] {
  const parsed = SCHEMA.safeParse(given);
  return parsed.error ? schemaFaults(given, parsed.error.issues).map(redactRedisAddress) : [];
}

/**
 * Gives a guard its name.
 *
 * @throws ERR_AI_CONFIG if another guard of the balancer has it.
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

/** The URL of a Redis contains its password. */
function redactRedisAddress(fault: Fault): Fault {
  return fault.path[0] === 'redis' && fault.got.startsWith('"')
    ? { ...fault, got: 'a string (not shown)' }
    : fault;
}

function nextFreeName(names: ReadonlySet<string>): string {
  let name = 'ai';
  for (let count = 2; names.has(name); count++) name = `ai-${count}`;
  return name;
}
