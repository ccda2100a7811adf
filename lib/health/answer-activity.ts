/**
 * Tracks when an endpoint last answered any attempt. An attempt without a response doesn't count as silent while the
 * endpoint answers others.
 */
export class AnswerActivity {
  #lastAnswerAt = -Infinity;
  #unansweredSince = Infinity;
  #streams = 0;

  recordAnswer(now: number): void {
    this.#lastAnswerAt = now;
    this.#unansweredSince = Infinity;
  }

  /** Records the end of an attempt that was sent at this time and had no answer. */
  recordUnanswered(sentAt: number): void {
    if (sentAt > this.#lastAnswerAt) this.#unansweredSince = Math.min(this.#unansweredSince, sentAt);
  }

  /** Milliseconds for which the endpoint has been asked and has answered nothing; 0 while it streams an answer. */
  unansweredMs(now: number): number {
    return this.#streams > 0 ? 0 : Math.max(0, now - this.#unansweredSince);
  }

  recordStreamStart(): void {
    this.#streams++;
    this.#unansweredSince = Infinity;
  }

  recordStreamEnd(now: number): void {
    this.#streams--;
    this.recordAnswer(now);
  }

  /** Milliseconds since the endpoint last answered; 0 while it streams an answer. */
  quietMs(now: number): number {
    return this.#streams > 0 ? 0 : Math.max(0, now - this.#lastAnswerAt);
  }
}
