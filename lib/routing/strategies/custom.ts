import { AiBalancerError } from '../../errors';
import { isObject } from '../../util/is-object';
import type { Candidate, RoutedCall, Score, Strategy } from '../strategy';

/**
 * A strategy of the application. If its `pick` throws or returns anything but a candidate or undefined, the call fails
 * with ERR_AI_CONFIG: choosing another endpoint instead would hide the bug. Its `explain` only serves reports, so its
 * failures are ignored.
 */
export class CustomStrategy implements Strategy {
  readonly name: string;
  readonly #strategy: Strategy;

  constructor(strategy: Strategy) {
    this.name = strategy.name;
    this.#strategy = strategy;
  }

  pick(call: RoutedCall, candidates: readonly Candidate[]): Candidate | undefined {
    let picked: unknown;
    try {
      picked = this.#strategy.pick(call, candidates);
    } catch (error) {
      throw this.#error(`threw an error (${error instanceof Error ? error.message : typeof error})`);
    }
    if (picked === undefined) return undefined;
    if (isPromise(picked)) {
      // Prevents an unhandled rejection, as nobody else handles the promise.
      picked.then(undefined, () => undefined);
      throw this.#error('returned a promise, but must be synchronous');
    }
    if (!candidates.includes(picked as Candidate)) {
      throw this.#error('returned something other than one of the candidates or undefined');
    }
    return picked as Candidate;
  }

  /** Undefined if the strategy does not return exactly one valid score for each candidate. */
  explain(call: RoutedCall, candidates: readonly Candidate[]): readonly Score[] | undefined {
    try {
      const scores: unknown = this.#strategy.explain?.(call, candidates);
      return Array.isArray(scores) && scores.length === candidates.length && scores.every(isScore)
        ? scores
        : undefined;
    } catch {
      return undefined;
    }
  }

  #error(problem: string): AiBalancerError {
    return new AiBalancerError('ERR_AI_CONFIG', `strategy '${this.name}': pick() ${problem}`);
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return isObject(value) && typeof value['then'] === 'function';
}

function isScore(value: unknown): value is Score {
  return isObject(value) && Number.isFinite(value['score']) && isObject(value['terms']);
}
