/** Limits over those of the endpoints that share a `quotaGroup`. */
export interface QuotaGroupConfig {
  rpm?: number;
  tpm?: number | { input: number; output: number };
}

/** Limits a minute and a day; absent means none. */
export interface QuotaLimits {
  readonly rpm?: number;
  /** Input and output together. */
  readonly tpm?: number;
  readonly inputTpm?: number;
  readonly outputTpm?: number;
  readonly rpd?: number;
  readonly tpd?: number;
}
