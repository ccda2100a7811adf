/** When the breaker of each endpoint opens, and for how long. */
export interface BreakerOptions {
  /** Consecutive failed attempts that open the breaker. Default 5. */
  readonly consecutiveFailures: number;
  /** Percentage of failed attempts within a window of 30 s that opens the breaker. Default 50. */
  readonly errorThresholdPercentage: number;
  /** Attempts that the window must hold before the percentage counts. Default 10. */
  readonly volumeThreshold: number;
  /**
   * How long the breaker stays open the first time before a call may be the probe, in milliseconds; doubles with each
   * failed probe. Unless `hedge` is off, probes are also sent every 1 to 3 s alongside calls that other endpoints
   * serve. Default 1,000.
   */
  readonly resetTimeoutMs: number;
  /** The longest time that the breaker stays open between probes, in milliseconds. Default 20,000. */
  readonly maxResetTimeoutMs: number;
  /** Slow start: how long a recovered endpoint gets a smaller share of the calls, in milliseconds. Default 5,000. */
  readonly rampMs: number;
}
