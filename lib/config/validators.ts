import { z } from 'zod';
import * as check from '../call/checks';
import { isObject } from '../util/is-object';
import { MAX_TIMER_MS } from '../util/timers';

/*
 * Validators of single values. Each has one check and one message that says what is expected, so that a fault reads
 * "path: expected ..., got ..." and no value is reported twice.
 */

export function validator<T>(expected: string, test: (value: unknown) => boolean) {
  return z.custom<T>(test, { error: expected });
}

/** Makes a validator of a call option's check. Its message is that for undefined, which fails every check. */
export function fromCheck<T>(check: check.Check) {
  return validator<T>(check(undefined) ?? '', (value) => check(value) === undefined);
}

function numberValidator(expected: string, test: (value: number) => boolean) {
  return validator<number>(
    expected,
    (value) => typeof value === 'number' && Number.isFinite(value) && test(value),
  );
}

export const flag = fromCheck<boolean>(check.boolean);
export const positive = fromCheck<number>(check.positiveNumber);
export const nonNegative = fromCheck<number>(check.nonNegativeNumber);
export const share = fromCheck<number>(check.fraction);
export const count = fromCheck<number>(check.positiveInteger);
export const percentage = numberValidator(
  'a number above 0, up to 100',
  (value) => value > 0 && value <= 100,
);
export const countOrZero = numberValidator(
  'a whole number of at least 0',
  (value) => Number.isSafeInteger(value) && value >= 0,
);
export const attempts = numberValidator(
  'a whole number from 1 to 100',
  (value) => Number.isInteger(value) && value >= 1 && value <= 100,
);
export const duration = numberValidator(
  `milliseconds above 0, at most ${MAX_TIMER_MS}`,
  (value) => value > 0 && value <= MAX_TIMER_MS,
);
export const durationOrZero = numberValidator(
  `milliseconds from 0 to ${MAX_TIMER_MS}`,
  (value) => value >= 0 && value <= MAX_TIMER_MS,
);
export const burstSeconds = numberValidator(
  'seconds above 0, at most 3600',
  (value) => value > 0 && value <= 3600,
);

export const fractionUpToHalf = numberValidator(
  'a number above 0, at most 0.5',
  (value) => value > 0 && value <= 0.5,
);
export const fractionAboveZero = numberValidator(
  'a number above 0, at most 1',
  (value) => value > 0 && value <= 1,
);
export const atLeastOne = numberValidator('a number of at least 1', (value) => value >= 1);
export const dollars = numberValidator(
  'US dollars above 0, at most 1000000',
  (value) => value > 0 && value <= 1_000_000,
);
export const timeZone = validator<string>(
  "an IANA time zone such as 'Asia/Seoul'",
  (value) => typeof value === 'string' && isTimeZone(value),
);

/** A name. Names are written to reports, headers and logs, so they have a limited length and no control characters. */
export const name = validator<string>(
  'a string of 1 to 200 characters without line breaks',
  (value) => typeof value === 'string' && value.trim() !== '' && /^[^\x00-\x1f\x7f]{1,200}$/.test(value),
);

export const names = listOf(name);

export function listOf<T extends z.ZodType>(item: T) {
  return z.array(item, { error: 'an array of strings' });
}

function isTimeZone(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

export function oneOf<const T extends string>(...known: T[]) {
  return validator<T>(`one of ${known.map((word) => `'${word}'`).join(', ')}`, (value) =>
    known.includes(value as T),
  );
}

export function callable<T>(expected: string) {
  return validator<T>(expected, (value) => typeof value === 'function');
}

/** An object with these methods. It is kept by reference rather than copied. */
export function withMethods<T>(expected: string, ...methods: string[]) {
  return validator<T>(
    expected,
    (value) => isObject(value) && methods.every((key) => typeof value[key] === 'function'),
  );
}

/** An object with these options and no others. An unknown option gets a "did you mean" hint. */
export function options<S extends z.core.$ZodLooseShape>(
  shape: S,
  expected: string | ((value: unknown) => string) = 'an object',
) {
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code === 'unrecognized_keys') return Object.keys(shape).join(', ');
      return typeof expected === 'string' ? expected : expected(issue.input);
    },
  });
}

export function optional<S extends Record<string, z.ZodType>>(shape: S) {
  const entries = Object.entries(shape).map(([key, value]) => [key, value.optional()]);
  return Object.fromEntries(entries) as { [K in keyof S]: z.ZodOptional<S[K]> };
}

/** An object with these options, all of which may be left out. */
export function partial<S extends Record<string, z.ZodType>>(shape: S) {
  return options(optional(shape));
}

/** An object with options of these names, all optional and with the same validator. */
export function partialOf<K extends string, V extends z.ZodType>(
  names: Readonly<Record<K, unknown>>,
  value: V,
) {
  return partial(Object.fromEntries(Object.keys(names).map((key) => [key, value])) as Record<K, V>);
}

export function recordOf<T extends z.ZodType>(value: T, expected: string) {
  return z.record(z.string(), value, { error: expected });
}
