/* eslint-disable @typescript-eslint/no-unnecessary-type-parameters -- types are all there is here */
/** True only if both types are identical; `any` is identical only to itself. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles only with `true`. */
export function expectType<_T extends true>(): void {
  // A compile-time check: nothing happens at runtime.
}

/** True if a type is `any`. */
export type IsAny<T> = 0 extends 1 & T ? true : false;
