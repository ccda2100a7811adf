import { findProgram, type Program } from './programs';

/**
 * For tests that need a program: a `describe` that leaves its tests out where the program isn't installed, and the
 * program's path. What was left out is said once, before the tests; with CI=true nothing may be left out.
 *
 * @example const redis = requires('redis-server'); redis.describe('the ledger', () => { spawn(redis.path, [...]) })
 */
export function requires(program: Program): { readonly path: string; readonly describe: jest.Describe } {
  const path = findProgram(program);
  return { path: path ?? program, describe: path === undefined ? describe.skip : describe };
}
