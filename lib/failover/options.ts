export interface RetryOptions {
  /** Attempts of one call. Default 5. */
  readonly maxAttempts: number;
  /** Retries after 5xx, timeouts and connection errors, as a share of recent calls. Default 0.2. */
  readonly budgetRatio: number;
  /** Retries a second besides. Default 10. */
  readonly budgetPerSecond: number;
  /** First backoff before the same endpoint again, in milliseconds. Default 250. */
  readonly baseDelayMs: number;
  /** Longest backoff, in milliseconds. Default 8,000. */
  readonly maxDelayMs: number;
}

export interface HedgeOptions {
  /** Hedges as a share of recent calls. Default 0.05. */
  readonly budgetRatio: number;
  /** Wait before the second attempt, in milliseconds. Default: worked out from the endpoint's expected time. */
  readonly delayMs?: number;
}
