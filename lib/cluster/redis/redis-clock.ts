/** Age at which a slower sample replaces a faster one, in milliseconds: clocks drift. */
const SAMPLE_TTL_MS = 20_000;

/**
 * Redis's clock, estimated with this process's monotonic clock, so that processes whose wall clocks differ by a minute
 * still agree on the time. The error of a sample is at most half its round trip, so the fastest one is used.
 */
export class RedisClock {
  #offset: number | undefined;
  #roundTripMs: number | undefined;
  #sampledAt = -Infinity;

  /**
   * Adds a sample.
   * @param redisMs Redis's time at some moment between the two other times, in epoch milliseconds.
   * @param sentAt When the command was sent, on performance.now().
   * @param receivedAt When its reply came, on performance.now().
   */
  sample(redisMs: number, sentAt: number, receivedAt: number): void {
    const roundTripMs = receivedAt - sentAt;
    const isStale = receivedAt - this.#sampledAt > SAMPLE_TTL_MS;
    if (roundTripMs > (this.#roundTripMs ?? Infinity) && !isStale) return;
    this.#roundTripMs = roundTripMs;
    this.#sampledAt = receivedAt;
    this.#offset = redisMs - (sentAt + receivedAt) / 2;
  }

  /** The shortest recent round trip to Redis, in milliseconds; 0 before the first sample. */
  get roundTripMs(): number {
    return this.#roundTripMs ?? 0;
  }

  /** The time of Redis's clock in whole epoch milliseconds; undefined before the first sample. */
  now(): number | undefined {
    return this.#offset === undefined ? undefined : Math.floor(performance.now() + this.#offset);
  }

  /** Makes the next sample count, however slow it is: it may come from another server with its own clock. */
  expire(): void {
    this.#sampledAt = -Infinity;
  }
}
