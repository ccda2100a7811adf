/* eslint-disable @typescript-eslint/no-unnecessary-type-parameters -- types are all there is here */
/** True only where both types are the same: `any` is the same as nothing but itself. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles only for `true`. */
export function expectType<_T extends true>(): void {
  // Nothing to do when it runs.
}

/** True where a type is `any`. */
export type IsAny<T> = 0 extends 1 & T ? true : false;
