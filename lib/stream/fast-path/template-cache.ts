import type { ParsedChatEvent } from '../chat-event';
import type { SseFrame } from '../sse/sse-frame';
import { EventTemplate } from './event-template';
import { TemplatedChatEvent } from './templated-chat-event';

/** Several choices, or reasoning and text, alternate in one stream. */
const MAX_TEMPLATES = 4;
/** After this many templates that matched nothing, a stream's events are too different to go on trying. */
const MAX_UNUSED_IN_A_ROW = 16;

/** A longer event is rare, and one with many values would cost more as a template than JSON.parse takes. */
const MAX_TEMPLATE_BYTES = 4096;

/** The templates of one stream's events, the most recently used first. */
export class TemplateCache {
  readonly #templates: EventTemplate[] = [];
  #unusedInARow = 0;

  /** The event, unparsed, if a template matches it. */
  match(frame: SseFrame): TemplatedChatEvent | undefined {
    if (!frame.isSingleLine) return undefined;
    const { latin1, dataStart, dataEnd } = frame;
    if (dataEnd - dataStart > MAX_TEMPLATE_BYTES) return undefined;
    for (let i = 0; i < this.#templates.length; i++) {
      const template = this.#templates[i] as EventTemplate;
      const positions = template.match(latin1, dataStart, dataEnd);
      if (!positions) continue;
      if (i > 0) {
        this.#templates.splice(i, 1);
        this.#templates.unshift(template);
      }
      this.#unusedInARow = 0;
      return new TemplatedChatEvent(frame, template, positions);
    }
    return undefined;
  }

  /** Makes a template of an event that had to be parsed. */
  learn(frame: SseFrame, event: ParsedChatEvent): void {
    if (!frame.isSingleLine || this.#unusedInARow >= MAX_UNUSED_IN_A_ROW) return;
    if (frame.dataEnd - frame.dataStart > MAX_TEMPLATE_BYTES) return;
    const template = EventTemplate.of(frame.latin1.slice(frame.dataStart, frame.dataEnd), event);
    if (!template) return;
    this.#unusedInARow++;
    this.#templates.unshift(template);
    if (this.#templates.length > MAX_TEMPLATES) this.#templates.pop();
  }
}
