/** A copy of `defaults` with the given values that are not undefined. */
export function withDefaults<T extends object>(
  defaults: T,
  given: { [K in keyof T]?: T[K] | undefined } = {},
): T {
  return { ...defaults, ...omitUndefined(given) };
}

/** A copy without the properties whose value is undefined. */
export function omitUndefined<T extends object>(
  value: T | undefined,
): { [K in keyof T]: Exclude<T[K], undefined> } {
  const defined = Object.entries(value ?? {}).filter(([, part]) => part !== undefined);
  return Object.fromEntries(defined) as { [K in keyof T]: Exclude<T[K], undefined> };
}

/** Sets the properties of `given` that are not undefined. Much faster than spreading a copy without the others. */
export function assignDefined<T extends object>(
  target: T,
  given: { [K in keyof T]?: T[K] | undefined },
): void {
  for (const key of Object.keys(given) as (keyof T)[]) {
    const value = given[key];
    if (value !== undefined) target[key] = value;
  }
}
