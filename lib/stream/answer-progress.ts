import { needsContent } from '../failure/check-answer';
import type { ParsedChatEvent } from './chat-event';
import { StreamFailure } from './stream-errors';

/**
 * Tracks how far a streamed answer has come: which choices have appeared, which have ended, and whether there is
 * content.
 */
export class AnswerProgress {
  readonly #requested: number;
  readonly #mayBeEmpty: boolean;
  readonly #seen = new Choices();
  readonly #finished = new Choices();
  #hasToolCall = false;
  #needsContent = true;
  /** Whether any content has arrived. Also set by the event reader, for events that are not parsed. */
  hasContent = false;
  /** How many events were not JSON. */
  unreadable = 0;

  /**
   * @param requestedChoices the `n` of the request
   * @param mayBeEmpty whether an answer without any content is valid, because the request has a stop sequence
   */
  constructor(requestedChoices: number, mayBeEmpty = false) {
    this.#requested = requestedChoices;
    this.#mayBeEmpty = mayBeEmpty;
  }

  /** @throws StreamFailure if the answer has ended without any content. */
  add(event: ParsedChatEvent): void {
    for (const index of event.seenChoices) this.#seen.add(index);
    for (const index of event.finishedChoices) this.#finished.add(index);
    this.#hasToolCall ||= event.hasToolCall;
    this.hasContent ||= event.hasContent;
    if (event.finishReasons.some((reason) => !needsContent(reason))) this.#needsContent = false;
    if (this.isComplete && this.#isEmpty) throw new StreamFailure('The stream ended without content.');
  }

  /**
   * Whether every choice that has appeared has ended. That suffices if the upstream itself says that the stream is
   * done.
   */
  get isFinished(): boolean {
    return this.#seen.size > 0 && this.#finished.size === this.#seen.size;
  }

  /** Whether every choice that was requested has ended. */
  get isComplete(): boolean {
    return this.isFinished && this.#finished.size >= this.#requested;
  }

  get #isEmpty(): boolean {
    return this.#needsContent && !this.hasContent && !this.#mayBeEmpty;
  }

  /**
   * The choices that still lack a `finish_reason` when the upstream says that the stream is done; undefined if the
   * answer is not complete. Some servers never send a finish_reason, so a text alone counts as complete without one. A
   * tool call doesn't, because its arguments may be cut off; nor does a choice if another choice has a finish_reason.
   */
  get choicesToFinish(): readonly number[] | undefined {
    if (this.isFinished) return this.#isEmpty ? undefined : [];
    if (!this.hasContent || this.#hasToolCall || this.#finished.size > 0) return undefined;
    return this.#seen.indexes;
  }
}

/** Indexes of choices. There is usually one, which is held without a Set. */
class Choices {
  #only: number | undefined;
  #all: Set<number> | undefined;

  add(index: number): void {
    if (this.#all) this.#all.add(index);
    else if (this.#only === undefined) this.#only = index;
    else if (this.#only !== index) this.#all = new Set([this.#only, index]);
  }

  get size(): number {
    return this.#all?.size ?? (this.#only === undefined ? 0 : 1);
  }

  get indexes(): readonly number[] {
    if (this.#all) return [...this.#all];
    return this.#only === undefined ? [] : [this.#only];
  }
}
