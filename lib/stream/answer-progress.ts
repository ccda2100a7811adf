import type { ChunkFacts } from './chunk-facts';

/** How far a streamed answer has come. */
export class AnswerProgress {
  readonly #choices: number;
  readonly #shown = new Set<number>();
  readonly #finished = new Set<number>();

  /** @param choices how many were asked for: the `n` of the request */
  constructor(choices: number) {
    this.#choices = choices;
  }

  add(facts: ChunkFacts): void {
    for (const index of facts.shown) this.#shown.add(index);
    for (const index of facts.finished) this.#finished.add(index);
  }

  /** Every choice that was shown has ended. Enough for an upstream that says itself that it is done. */
  get whole(): boolean {
    return this.#shown.size > 0 && this.#finished.size === this.#shown.size;
  }

  /** Every choice that was asked for has ended. */
  get complete(): boolean {
    return this.whole && this.#finished.size >= this.#choices;
  }
}
