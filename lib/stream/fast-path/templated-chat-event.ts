import type { ChatCompletionChunk } from '../../call/answer';
import type { ChatEvent } from '../chat-event';
import type { SseFrame } from '../sse/sse-frame';
import type { EventTemplate, PlaceholderPositions } from './event-template';

/** An event that matched a template. Nothing of it is parsed or decoded until it is read. */
export class TemplatedChatEvent implements ChatEvent {
  readonly hasContent: boolean;
  readonly hasFinishReason = false;
  readonly isHidden = false;
  readonly usage = undefined;
  readonly #frame: SseFrame;
  readonly #template: EventTemplate;
  readonly #positions: PlaceholderPositions;
  #chunk: ChatCompletionChunk | undefined;
  #text: string | undefined;

  constructor(frame: SseFrame, template: EventTemplate, positions: PlaceholderPositions) {
    this.#frame = frame;
    this.#template = template;
    this.#positions = positions;
    this.hasContent = template.isContent(positions);
  }

  get raw(): Uint8Array {
    return this.#frame.raw;
  }

  get chunk(): ChatCompletionChunk {
    return (this.#chunk ??= JSON.parse(this.#frame.data) as ChatCompletionChunk);
  }

  get text(): string {
    const placeholder = this.#template.textPlaceholder;
    return placeholder === undefined ? '' : (this.#text ??= this.#textAt(placeholder));
  }

  get generated(): string {
    const { generatedPlaceholders, textPlaceholder } = this.#template;
    let generated = '';
    for (const placeholder of generatedPlaceholders)
      generated += placeholder === textPlaceholder ? this.text : this.#textAt(placeholder);
    return generated;
  }

  #textAt(placeholder: number): string {
    return decodeString(
      this.#frame,
      this.#positions[2 * placeholder] as number,
      this.#positions[2 * placeholder + 1] as number,
    );
  }
}

/** V8 copies slices shorter than this; a longer slice would keep the whole chunk in memory. */
const MIN_WINDOW = 13;
const PLAIN = /^[ -[\]-~]*$/;

/** The value of the well-formed JSON string between two positions. */
function decodeString(frame: SseFrame, start: number, end: number): string {
  if (end - start < MIN_WINDOW) {
    const latin1 = frame.latin1.slice(start, end);
    if (PLAIN.test(latin1)) return latin1;
  }
  const text = frame.bytes.toString('utf8', start, end);
  return text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text;
}
