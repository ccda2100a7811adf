import { z } from 'zod';
import { CONTEXT_CHECKS } from '../../call/check-options';
import { configError, type Fault, schemaFaults } from '../../config/config-errors';
import { allowedHeaders, guardFaults } from '../../config/middleware-options';
import { configFaults } from '../../config/resolve';
import { secretsOf } from '../../config/secrets';
import { durationOrZero, fromCheck, options, validator } from '../../config/validators';
import { isObject } from '../../util/is-object';
import { Redactor } from '../../util/redactor';
import { UsageError } from '../usage-error';

const token = validator<string>(
  'a text that is not empty (is the environment variable set?)',
  (value) => typeof value === 'string' && value !== '',
);

const clientToken = options({
  token,
  tenant: fromCheck<string>(CONTEXT_CHECKS.tenant).optional(),
  priority: fromCheck<number>(CONTEXT_CHECKS.priority).optional(),
});

const tokens = 'an array of { token, tenant?, priority? }, or false for a gateway that is open to everyone';

const SERVE = options({
  tokens: z.union([z.literal(false), z.array(clientToken).min(1, { error: tokens })], { error: tokens }),
  adminToken: token.optional(),
  guard: z.unknown().optional(),
  allowHeaders: allowedHeaders.optional(),
  // Accepts digits as text, too, because a port that comes from an environment variable is text.
  port: validator<number | string>(
    'a whole number from 0 to 65535',
    (value) => /^\d{1,5}$/.test(String(value)) && Number(value) <= 65_535,
  ).optional(),
  host: validator<string>('a host name or address', (value) => typeof value === 'string').optional(),
  graceMs: durationOrZero.optional(),
});

interface Unset {
  readonly path: readonly PropertyKey[];
  readonly variable: string;
}

/**
 * Replaces `${NAME}` by environment variables, and checks a configuration together with its option `serve`.
 *
 * @throws UsageError that lists every fault: unset variables, and those of the configuration and of `serve`.
 */
export function checkFile(loaded: object, file: string): { readonly serve?: unknown } {
  const unset: Unset[] = [];
  const expanded = expand(loaded, [], unset) as { readonly serve?: unknown };
  const { serve, ...config } = expanded;
  const faults = [...serveFaults(serve), ...configFaults(config)].filter(
    // Leaves out faults of values with an unset variable, which has its own fault: the value that is meant is not
    // known.
    ({ path }) => !unset.some((each) => startsWith(path, each.path)),
  );
  const all = [...unset.map(unsetFault), ...faults];
  if (all.length === 0) return expanded;
  throw new UsageError(`${file}: ${configError(all, new Redactor(secretsOf(config))).message}`);
}

/** Replaces `${NAME}` in all strings of plain objects and arrays. @param unset Receives the variables without a value. */
function expand(value: unknown, path: readonly PropertyKey[], unset: Unset[]): unknown {
  if (typeof value === 'string') {
    return value.replace(/\$\{([A-Za-z_]\w*)\}/g, (text, variable: string) => {
      const found = process.env[variable];
      if (found !== undefined && found !== '') return found;
      unset.push({ path, variable });
      return text;
    });
  }
  if (Array.isArray(value)) return value.map((each, index) => expand(each, [...path, index], unset));
  if (!isObject(value) || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, expand(each, [...path, name], unset)]),
  );
}

function serveFaults(serve: unknown): Fault[] {
  const given = serve ?? {};
  const guard = isObject(given) && given.guard !== undefined ? guardFaults(given.guard) : [];
  return [
    ...schemaFaults(given, SERVE.safeParse(given)).map((fault) => at(['serve'], fault)),
    ...guard.map((fault) => at(['serve', 'guard'], fault)),
  ];
}

function at(start: readonly PropertyKey[], fault: Fault): Fault {
  return { ...fault, path: [...start, ...fault.path] };
}

function unsetFault({ path, variable }: Unset): Fault {
  return { path, expected: `the environment variable ${variable}`, got: 'nothing: it is not set' };
}

function startsWith(path: readonly PropertyKey[], start: readonly PropertyKey[]): boolean {
  return start.every((part, index) => path[index] === part);
}
