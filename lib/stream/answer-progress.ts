import { needsContent } from '../failure/check-answer';
import type { ParsedChatEvent } from './chat-event';
import { StreamFailure } from './stream-errors';

/** How far a streamed answer has come: which choices have appeared, which have ended, and whether there is content. */
export class AnswerProgress {
  readonly #requested: number;
  readonly #mayBeEmpty: boolean;
  readonly #seen = new Set<number>();
  readonly #finished = new Set<number>();
  #hasToolCall = false;
  #needsContent = true;
  /** Whether anything was generated. Also set for events that were not parsed. */
  hasContent = false;
  /** How many events were not JSON. */
  unreadable = 0;

  /**
   * @param requestedChoices the `n` of the request
   * @param mayBeEmpty whether an answer without any content is one: with a stop sequence of the caller's
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

  /** Every choice that has appeared has ended. That suffices for an upstream that says itself that it is done. */
  get isFinished(): boolean {
    return this.#seen.size > 0 && this.#finished.size === this.#seen.size;
  }

  /** Every choice that was requested has ended. */
  get isComplete(): boolean {
    return this.isFinished && this.#finished.size >= this.#requested;
  }

  get #isEmpty(): boolean {
    return this.#needsContent && !this.hasContent && !this.#mayBeEmpty;
  }

  /**
   * The choices that an upstream has left without a `finish_reason` when it says that it is done; undefined if the answer
   * is not whole. Some servers never send a finish_reason, so a text is whole then. The arguments of a tool may not be,
   * nor a choice whose siblings have one.
   */
  get choicesToFinish(): readonly number[] | undefined {
    if (this.isFinished) return this.#isEmpty ? undefined : [];
    if (!this.hasContent || this.#hasToolCall || this.#finished.size > 0) return undefined;
    return [...this.#seen];
  }
}
