import { badRequest } from '../errors';
import { didYouMean } from '../util/did-you-mean';
import { isObject } from '../util/is-object';

/** Checks one value: returns undefined if it is valid, else a description of what was expected. */
export type Check = (value: unknown) => string | undefined;

export const positiveNumber = createCheck(
  'a finite number above 0',
  (value) => isFiniteNumber(value) && value > 0,
);
export const nonNegativeNumber = createCheck(
  'a finite number of at least 0',
  (value) => isFiniteNumber(value) && value >= 0,
);
export const finiteNumber = createCheck('a finite number', isFiniteNumber);
export const positiveInteger = createCheck(
  'a whole number of at least 1',
  (value) => Number.isSafeInteger(value) && (value as number) >= 1,
);
export const fraction = createCheck(
  'a number from 0 to 1',
  (value) => isFiniteNumber(value) && value >= 0 && value <= 1,
);
export const boolean = createCheck('true or false', (value) => typeof value === 'boolean');
export const object = createCheck('an object', isObject);
export const array = createCheck('an array', Array.isArray);
export const nonEmptyString = createCheck('a string that is not empty', isNonEmptyString);
export const nonEmptyStrings = createCheck(
  'an array of strings that are not empty',
  (value) => Array.isArray(value) && value.every(isNonEmptyString),
);

export function createCheck(expected: string, test: (value: unknown) => boolean): Check {
  return (value) => (test(value) ? undefined : expected);
}

/** Accepts null too, which OpenAI's API treats as absent. */
export function nullable(check: Check): Check {
  return (value) => (value === null ? undefined : check(value));
}

export type Checks<K extends string = string> = Readonly<Record<K, Check>>;

/** One invalid field and what is wrong with it. */
interface Fault {
  readonly field: string;
  readonly message: string;
}

/** The most faults that an error lists. */
const MAX_LISTED = 20;

/** Applies each check to its field, if present. @throws ERR_AI_BAD_REQUEST that lists every invalid field. */
export function checkFields(fields: Readonly<Record<string, unknown>>, checks: Checks): void {
  throwFaults(faultsOf(fields, checks));
}

/** The error for an invalid field. Strings are not quoted: they may be part of the prompt. */
export function fieldError(field: string, expected: string, value: unknown): Error {
  return badRequest(field, describe(expected, value));
}

/** Like {@link checkFields}, for an object that may have no other fields. */
export function checkOptions(name: string, given: unknown, checks: Checks): void {
  if (!isObject(given)) throw fieldError(name, 'an object', given);
  const faults: Fault[] = [];
  for (const field in given) {
    if (Object.hasOwn(checks, field)) continue;
    const near = faults.length < MAX_LISTED ? didYouMean(field, Object.keys(checks)) : undefined;
    const hint = near === undefined ? '' : `, did you mean '${near}'?`;
    faults.push({ field: field.slice(0, 64), message: `unknown option${hint}` });
  }
  throwFaults(faultsOf(given, checks, faults));
}

/**
 * Returns the faults of all fields.
 * @param faults The faults found before, to which the others are added.
 */
function faultsOf(
  fields: Readonly<Record<string, unknown>>,
  checks: Checks,
  faults: Fault[] = [],
): readonly Fault[] {
  for (const field in checks) {
    const value = fields[field];
    const expected = value === undefined ? undefined : checks[field]?.(value);
    if (expected !== undefined) faults.push({ field, message: describe(expected, value) });
  }
  return faults;
}

/** Throws one error that lists all faults, if there are any. Its `param` is the first field. */
function throwFaults(faults: readonly Fault[]): void {
  const [first] = faults;
  if (!first) return;
  const others = faults.slice(1);
  const listed = others.slice(0, MAX_LISTED - 1).map(({ field, message }) => `; ${field}: ${message}`);
  const more = others.length > listed.length ? `; and ${others.length - listed.length} more` : '';
  throw badRequest(first.field, first.message + listed.join('') + more);
}

function describe(expected: string, value: unknown): string {
  return `expected ${expected}, got ${kindOf(value)}`;
}

export function isNonEmptyString(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isFiniteNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

/** Describes a value in an error message: a number or boolean by itself, any other value only by its kind. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (value === '') return 'an empty string';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : `an array of ${value.length}`;
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
