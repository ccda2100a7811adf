import type { RetryOptions } from './options';

const MAX_LEVEL = 200;
/** "Recent" calls are those of about this long. */
const MEMORY_MS = 10_000;

/**
 * What retries may cost, over all calls: a share of recent calls and some a second. Full at the start, so that the
 * first failures of a quiet hour are retried; empty in an outage of everything, so that a dying provider is not
 * trampled.
 */
export class RetryBudget {
  #ratio = 0;
  #perMs = 0;
  #level = MAX_LEVEL;
  #at = performance.now();

  constructor({ budgetRatio, budgetPerSecond }: Pick<RetryOptions, 'budgetRatio' | 'budgetPerSecond'>) {
    this.configure({ budgetRatio, budgetPerSecond });
    this.#level = Math.min(MAX_LEVEL, budgetPerSecond * (MEMORY_MS / 1_000) + (budgetRatio > 0 ? MAX_LEVEL : 0));
  }

  /** Changes what comes in; what is there stays. */
  configure({ budgetRatio, budgetPerSecond }: Pick<RetryOptions, 'budgetRatio' | 'budgetPerSecond'>): void {
    this.#refill();
    this.#ratio = budgetRatio;
    this.#perMs = budgetPerSecond / 1_000;
  }

  /** A call began: it pays its share in. */
  onCall(): void {
    this.#refill();
    this.#level = Math.min(MAX_LEVEL, this.#level + this.#ratio);
  }

  get isSpent(): boolean {
    this.#refill();
    return this.#level < 1;
  }

  /** Takes one retry, where there is one. */
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
