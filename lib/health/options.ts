export interface BreakerOptions {
  /** Failures in a row that open it. Default 5. */
  readonly consecutiveFailures: number;
  /** Share of failures in a window of 30 s that opens it. Default 50. */
  readonly errorThresholdPercentage: number;
  /** Calls a window must have before its share counts. Default 10. */
  readonly volumeThreshold: number;
  /** First rest after an opening, in milliseconds; doubles with each opening in a row. Default 1,000. */
  readonly resetTimeoutMs: number;
  /** The longest rest, in milliseconds. Default 20,000. */
  readonly maxResetTimeoutMs: number;
  /** How long a recovered endpoint is preferred less, in milliseconds. Default 5,000. */
  readonly rampMs: number;
}
