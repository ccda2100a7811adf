import { findProgram, type Program } from './programs';

/**
 * For tests that need a program: its path, and a `describe` that skips its tests if the program is not installed. With
 * CI=true a missing program fails the run instead (see global-setup.ts).
 *
 * @example const redis = requires('redis-server'); redis.describe('the quota', () => { spawn(redis.path, [...]) })
 */
export function requires(program: Program): { readonly path: string; readonly describe: jest.Describe } {
  const path = findProgram(program);
  return { path: path ?? program, describe: path === undefined ? describe.skip : describe };
}
