/** When and how often a failed attempt is followed by another. */
export interface RetryOptions {
  /** The most attempts of one call that may fail for a reason that counts against an endpoint. Default 5. */
  readonly maxAttempts: number;
  /** Retries after 5xx, timeouts and connection errors, as a share of recent calls. Default 0.2. */
  readonly budgetRatio: number;
  /** Retries per second that are allowed in addition to `budgetRatio`. Default 10. */
  readonly budgetPerSecond: number;
  /**
   * First backoff before the same endpoint is tried again, in milliseconds; doubles with each further try. Default 250.
   */
  readonly baseDelayMs: number;
  /** Longest backoff, in milliseconds. Default 8,000. */
  readonly maxDelayMs: number;
}

/**
 * When a late call is sent a second time, to another endpoint; the first answer wins. If hedging is off, no probes are
 * sent beside served calls either.
 */
export interface HedgeOptions {
  /**
   * Hedges, and probes beside served calls, as a share of recent calls; at most 20 in a burst. 0 turns both off.
   * Default 0.05.
   */
  readonly budgetRatio: number;
  /**
   * Delay before the second attempt, in milliseconds. Default: 4 times the expected time to first token of a stream, 2
   * times the expected time of a whole answer, at least 600.
   */
  readonly delayMs?: number | undefined;
}
