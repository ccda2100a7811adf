/** The fields of `T`, each of which may be absent or undefined, also with TypeScript's `exactOptionalPropertyTypes`. */
export type Optional<T> = { [K in keyof T]?: T[K] | undefined };
