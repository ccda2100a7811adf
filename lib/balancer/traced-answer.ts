import type { ChatEvent } from '../stream/chat-event';
import { isObject } from '../util/is-object';

const MAX_CHARS = 200;
/** Maximum number of finish reasons that are kept, since an answer may have any number of choices. */
const MAX_REASONS = 100;

/** The fields of an answer that traces record besides its usage. */
export class TracedAnswer {
  /** The upstream's id of the answer; undefined if it has none. */
  id: string | undefined;
  /** The finish reasons of its choices, in the order in which the choices ended. */
  finishReasons: string[] = [];

  /** Clears the fields, because another endpoint starts the answer again. */
  restart(): void {
    this.id = undefined;
    this.finishReasons = [];
  }

  /** Reads a whole answer, or a chunk of a streamed one. */
  add(answer: unknown): this {
    if (!isObject(answer)) return this;
    if (typeof answer.id === 'string' && answer.id !== '') this.id ??= answer.id.slice(0, MAX_CHARS);
    for (const choice of Array.isArray(answer.choices) ? (answer.choices as unknown[]) : []) {
      if (this.finishReasons.length >= MAX_REASONS) break;
      if (isObject(choice) && typeof choice.finish_reason === 'string')
        this.finishReasons.push(choice.finish_reason.slice(0, MAX_CHARS));
    }
    return this;
  }

  /** Reads a stream's events. Parses only those that may contain the id or a finish reason. */
  addEvents(events: readonly ChatEvent[]): this {
    for (const event of events) if (this.id === undefined || event.hasFinishReason) this.add(event.chunk);
    return this;
  }

  async *watch(events: AsyncIterable<ChatEvent>): AsyncGenerator<ChatEvent, void, undefined> {
    for await (const event of events) {
      this.addEvents([event]);
      yield event;
    }
  }
}
