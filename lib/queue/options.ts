export interface QueueOptions {
  /** Calls that may wait; one more is shed at once. Default 10,000. */
  readonly maxSize: number;
}
