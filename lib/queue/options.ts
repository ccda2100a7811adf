export interface QueueOptions {
  /** The most calls that may wait; when it is exceeded, the least dense call is shed. Default 10,000. */
  readonly maxSize: number;
}
