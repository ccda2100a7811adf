import type { ChunkFacts } from './chunk-facts';

/** How far a streamed answer has come. */
export class AnswerProgress {
  readonly #choices: number;
  readonly #seen = new Set<number>();
  readonly #finished = new Set<number>();

  /** @param requestedChoices how many were asked for: the `n` of the request */
  constructor(requestedChoices: number) {
    this.#choices = requestedChoices;
  }

  add(facts: ChunkFacts): void {
    for (const index of facts.seenChoices) this.#seen.add(index);
    for (const index of facts.finishedChoices) this.#finished.add(index);
  }

  /** Every choice that was shown has ended. Enough for an upstream that says itself that it is done. */
  get isFinished(): boolean {
    return this.#seen.size > 0 && this.#finished.size === this.#seen.size;
  }

  /** Every choice that was asked for has ended. */
  get isComplete(): boolean {
    return this.isFinished && this.#finished.size >= this.#choices;
  }
}
