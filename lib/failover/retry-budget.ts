import type { RetryOptions } from './options';

const MAX_LEVEL = 200;
/** The period of the recent calls that `budgetRatio` refers to, at `budgetPerSecond`. */
const MEMORY_MS = 10_000;

/**
 * Limits retries over all calls to a share of recent calls plus a number per second, as Finagle's retry budget does. It
 * is full at the start, so that the first failures of a quiet hour are retried, and runs empty when every endpoint is
 * down, so that retries don't multiply the load.
 */
export class RetryBudget {
  #ratio = 0;
  #perMs = 0;
  #level = MAX_LEVEL;
  #at = performance.now();

  constructor({ budgetRatio, budgetPerSecond }: Pick<RetryOptions, 'budgetRatio' | 'budgetPerSecond'>) {
    this.configure({ budgetRatio, budgetPerSecond });
    this.#level = Math.min(
      MAX_LEVEL,
      budgetPerSecond * (MEMORY_MS / 1_000) + (budgetRatio > 0 ? MAX_LEVEL : 0),
    );
  }

  /** Changes the refill; the level stays. */
  configure({ budgetRatio, budgetPerSecond }: Pick<RetryOptions, 'budgetRatio' | 'budgetPerSecond'>): void {
    this.#refill();
    this.#ratio = budgetRatio;
    this.#perMs = budgetPerSecond / 1_000;
  }

  /** Each new call adds its share. */
  onCall(): void {
    this.#refill();
    this.#level = Math.min(MAX_LEVEL, this.#level + this.#ratio);
  }

  get isSpent(): boolean {
    this.#refill();
    return this.#level < 1;
  }

  /** Takes one retry; false where none is left. */
  tryTake(): boolean {
    this.#refill();
    if (this.#level < 1) return false;
    this.#level--;
    return true;
  }

  #refill(): void {
    const now = performance.now();
    this.#level = Math.min(MAX_LEVEL, this.#level + Math.max(0, now - this.#at) * this.#perMs);
    this.#at = now;
  }
}
