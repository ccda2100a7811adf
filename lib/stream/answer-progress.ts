import type { ChunkFacts } from './chunk-facts';

/** Which choices of a streamed answer have appeared and which have ended. */
export class AnswerProgress {
  readonly #requested: number;
  readonly #seen = new Set<number>();
  readonly #finished = new Set<number>();

  /** @param requestedChoices the `n` of the request */
  constructor(requestedChoices: number) {
    this.#requested = requestedChoices;
  }

  add(facts: ChunkFacts): void {
    for (const index of facts.seenChoices) this.#seen.add(index);
    for (const index of facts.finishedChoices) this.#finished.add(index);
  }

  /** Every choice that has appeared has ended. That suffices for an upstream that says itself that it is done. */
  get isFinished(): boolean {
    return this.#seen.size > 0 && this.#finished.size === this.#seen.size;
  }

  /** Every choice that was requested has ended. */
  get isComplete(): boolean {
    return this.isFinished && this.#finished.size >= this.#requested;
  }
}
