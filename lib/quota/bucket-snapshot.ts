export interface BucketOptions {
  /** Units per minute. */
  readonly limit: number;
  readonly burstSeconds: number;
}

/** The state of a bucket when an attempt was sent, for comparison with the rate limit headers of its response. */
export interface BucketSnapshot {
  readonly at: number;
  readonly level: number;
  /** Sum of all corrections made before this snapshot. */
  readonly corrections: number;
  /** Units already taken that the provider may not have charged yet: output that is still to come. */
  readonly pending: number;
}
