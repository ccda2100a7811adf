/**
 * Tracks when an endpoint last answered any attempt. An attempt without a response doesn't count as silent while the
 * endpoint answers others.
 */
export class AnswerActivity {
  #lastAnswerAt = -Infinity;
  #streams = 0;

  recordAnswer(now: number): void {
    this.#lastAnswerAt = now;
  }

  recordStreamStart(): void {
    this.#streams++;
  }

  recordStreamEnd(now: number): void {
    this.#streams--;
    this.#lastAnswerAt = now;
  }

  /** Milliseconds since the endpoint last answered; 0 while it streams an answer. */
  quietMs(now: number): number {
    return this.#streams > 0 ? 0 : Math.max(0, now - this.#lastAnswerAt);
  }
}
