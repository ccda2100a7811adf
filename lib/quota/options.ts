/** Limits of one account, in addition to those of the endpoints that share its `quotaGroup`. */
export interface QuotaGroupConfig {
  /** Requests per minute. Default: no limit. */
  rpm?: number | undefined;
  /** Tokens per minute, either in total or for input and output separately. Default: no limit. */
  tpm?:
    | number
    | {
        /** Prompt tokens per minute. */
        input: number;
        /** Output tokens per minute. */
        output: number;
      }
    | undefined;
  /** US dollars per hour. Default: no limit. */
  usdPerHour?: number | undefined;
  /** US dollars per day. Default: no limit. */
  usdPerDay?: number | undefined;
  /** US dollars per month. Default: no limit. */
  usdPerMonth?: number | undefined;
}

/** Limits per minute and per day. Absent means no limit. */
export interface QuotaLimits {
  readonly rpm?: number;
  /** Total tokens per minute, input and output. */
  readonly tpm?: number;
  readonly inputTpm?: number;
  readonly outputTpm?: number;
  readonly rpd?: number;
  readonly tpd?: number;
}
