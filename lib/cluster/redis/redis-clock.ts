/** A sample counts for so long, in milliseconds, before a slower one may take its place: clocks drift. */
const SAMPLE_TTL_MS = 20_000;

/**
 * Redis's clock, told from answers to TIME by our own monotonic one: processes whose wall clocks disagree by a minute
 * still reckon with the same time. The error of a sample is at most half its round trip, so the fastest one counts.
 */
export class RedisClock {
  #offset: number | undefined;
  #roundTripMs = Infinity;
  #sampledAt = -Infinity;

  /** @param redisMs What Redis said, between the two times of our clock. */
  sample(redisMs: number, sentAt: number, receivedAt: number): void {
    const roundTrip = receivedAt - sentAt;
    const isStale = receivedAt - this.#sampledAt > SAMPLE_TTL_MS;
    if (roundTrip > this.#roundTripMs && !isStale) return;
    this.#roundTripMs = roundTrip;
    this.#sampledAt = receivedAt;
    this.#offset = redisMs - (sentAt + receivedAt) / 2;
  }

  /** Milliseconds of Redis's wall clock, whole; undefined until it has been heard. */
  now(): number | undefined {
    return this.#offset === undefined ? undefined : Math.floor(performance.now() + this.#offset);
  }

  /** Another server may answer from now on: it has a clock of its own. */
  forget(): void {
    this.#sampledAt = -Infinity;
  }
}
