import type { ParsedChatEvent } from '../chat-event';
import type { SseFrame } from '../sse/sse-frame';
import { EventTemplate } from './event-template';
import { TemplatedChatEvent } from './templated-chat-event';

/** The most templates of one stream: several choices, or reasoning and text, may alternate in it. */
const MAX_TEMPLATES = 4;
/**
 * After this many consecutive templates that matched nothing, no more are made: the stream's events are too different.
 */
const MAX_UNUSED_IN_A_ROW = 16;

/**
 * Size limit of an event for a template, in bytes. Longer events are rare, and to match one with many values would take
 * longer than JSON.parse.
 */
const MAX_TEMPLATE_BYTES = 4096;

/** The templates of one stream's events, the most recently used first. */
export class TemplateCache {
  #templates: EventTemplate[] = [];
  #unusedInARow = 0;

  /** Returns the event, without parsing it, if a template matches; otherwise undefined. */
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
    // A new array, because one that grows has room for 17.
    this.#templates = [template, ...this.#templates.slice(0, MAX_TEMPLATES - 1)];
  }
}
