import type { Request } from 'express';
import type { Balancer } from '../balancer/balancer';
import type { Priority } from '../call/context';
import { configError, type Fault, faultAt, schemaFaults } from '../config/config-errors';
import { callable, options, validator, withMethods } from '../config/validators';
import type { Limit, TenantLimitOptions } from '../tenant/limits';
import type { RedisClient } from '../tenant/limits-redis';

export interface RateLimitGuardOptions extends TenantLimitOptions {
  /**
   * Who the request is for. Default, and where it gives undefined: the tenant that the request's context names, else
   * the client's address (`req.ip`, IPv6 by its first 56 bits), which never becomes part of the context.
   */
  tenant?(req: Request): string | undefined | Promise<string | undefined>;
  /** 1 to 5, for the request's calls; what smartRouter or a call says comes over it. Default 3. */
  priority?(req: Request): Priority | undefined;
  /**
   * An ioredis client, for limits that all processes share; it is used, never closed. Default: the cluster's Redis where
   * the balancer has a cluster; else each process counts for itself, in memory.
   */
  redis?: RedisClient;
  /**
   * Names the guard in the RateLimit headers and in Redis; no two guards of a balancer can have the same. Default 'ai',
   * then 'ai-2' and so on, in the order in which they are made.
   */
  name?: string;
}

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
  redis: withMethods('an ioredis client', 'defineCommand', 'multi').optional(),
  name: validator<string>(
    'a string of 1 to 64 letters, digits, "_", "." or "-"',
    (value) => typeof value === 'string' && NAME.test(value),
  ).optional(),
});

const guardNames = new WeakMap<Balancer, Set<string>>();

/**
 * Checks the options and gives the guard its name.
 *
 * @throws ERR_AI_CONFIG that lists every fault: option, expected, got.
 */
export function checkGuardOptions(
  balancer: Balancer,
  given: RateLimitGuardOptions,
): RateLimitGuardOptions & { readonly name: string } {
  const parsed = SCHEMA.safeParse(given);
  if (parsed.error) throw guardConfigError(schemaFaults(given, parsed.error.issues).map(redactRedisAddress));
  const names = guardNames.get(balancer) ?? new Set<string>();
  guardNames.set(balancer, names);
  if (given.name !== undefined && names.has(given.name)) {
    throw guardConfigError([faultAt(given, ['name'], 'a name that no other guard of this balancer has')]);
  }
  const name = given.name ?? nextFreeName(names);
  names.add(name);
  return { ...given, name };
}

/** The address of a Redis holds its password. */
function redactRedisAddress(fault: Fault): Fault {
  return fault.path[0] === 'redis' && fault.got.startsWith('"')
    ? { ...fault, got: 'a string (not shown)' }
    : fault;
}

function guardConfigError(faults: readonly Fault[]): Error {
  return configError(faults.map((fault) => ({ ...fault, path: ['guard', ...fault.path] })));
}

function nextFreeName(names: ReadonlySet<string>): string {
  let name = 'ai';
  for (let count = 2; names.has(name); count++) name = `ai-${count}`;
  return name;
}
