import type { RetryOptions } from './options';

type BudgetOptions = Pick<RetryOptions, 'budgetRatio' | 'budgetPerSecond'>;

const MAX_LEVEL = 200;
/**
 * If `budgetRatio` is 0, the budget starts with what `budgetPerSecond` yields in this time, in milliseconds. Otherwise
 * it starts full.
 */
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

  constructor(options: BudgetOptions) {
    this.configure(options);
    const fromCalls = options.budgetRatio > 0 ? MAX_LEVEL : 0;
    this.#level = Math.min(MAX_LEVEL, options.budgetPerSecond * (MEMORY_MS / 1_000) + fromCalls);
  }

  /** Changes the refill; the level stays. */
  configure({ budgetRatio, budgetPerSecond }: BudgetOptions): void {
    this.#refill();
    this.#ratio = budgetRatio;
    this.#perMs = budgetPerSecond / 1_000;
  }

  /** Adds `budgetRatio` retries to the budget for a new call. */
  onCall(): void {
    this.#refill();
    this.#level = Math.min(MAX_LEVEL, this.#level + this.#ratio);
  }

  get isSpent(): boolean {
    this.#refill();
    return this.#level < 1;
  }

  /** Takes one retry from the budget, unless it is spent. */
  take(): void {
    if (!this.isSpent) this.#level--;
  }

  #refill(): void {
    const now = performance.now();
    this.#level = Math.min(MAX_LEVEL, this.#level + Math.max(0, now - this.#at) * this.#perMs);
    this.#at = now;
  }
}
