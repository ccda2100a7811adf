import type { ChatCompletionChunk, Usage } from '../call/answer';
import type { ChunkFacts } from './chunk-facts';
import type { EventTemplate, PlaceholderPositions } from './fast-path/event-template';
import type { SseFrame } from './sse/sse-decoder';

/** One event of a streamed answer: its bytes, what a balancer must know of it, and, when asked for, the chunk. */
export interface ChatEvent {
  /** The bytes to pass through as they are, with the blank line; undefined where the wire was not OpenAI's. */
  readonly raw: Uint8Array | undefined;
  /** Parsed when first read, where it was not needed before. */
  readonly chunk: ChatCompletionChunk;
  /** Whether it brings a part of the answer: text, a piece of a tool call, a refusal, reasoning. A role is not. */
  readonly hasContent: boolean;
  /** Whether it ends a choice. */
  readonly hasFinishReason: boolean;
  /** Not for the caller: the usage that only the balancer asked for. */
  readonly isHidden: boolean;
  readonly usage: Usage | undefined;
  /** The text that it adds to the first choice. */
  readonly text: string;
  /** All that was generated, of every choice: text, reasoning, refusals, names and arguments of tools. */
  readonly generated: string;
}

/** An event that was parsed, or that a dialect made. */
export class ParsedChatEvent implements ChatEvent {
  readonly hasContent: boolean;
  readonly hasFinishReason: boolean;
  readonly usage: Usage | undefined;
  readonly text: string;
  readonly generated: string;
  readonly #frame: SseFrame | undefined;

  constructor(
    readonly chunk: ChatCompletionChunk,
    facts: ChunkFacts,
    readonly isHidden: boolean,
    frame?: SseFrame,
  ) {
    this.hasContent = facts.hasContent;
    this.hasFinishReason = facts.finishedChoices.length > 0;
    this.usage = facts.usage;
    this.text = facts.text;
    this.generated = facts.generated;
    this.#frame = frame;
  }

  get raw(): Uint8Array | undefined {
    return this.#frame?.raw;
  }
}

/** An event of a known shape: nothing of it is parsed or decoded until it is read. */
export class TemplatedChatEvent implements ChatEvent {
  readonly hasContent: boolean;
  readonly hasFinishReason = false;
  readonly isHidden = false;
  readonly usage = undefined;
  readonly #frame: SseFrame;
  readonly #shape: EventTemplate;
  readonly #positions: PlaceholderPositions;
  #chunk: ChatCompletionChunk | undefined;
  #text: string | undefined;

  constructor(frame: SseFrame, template: EventTemplate, positions: PlaceholderPositions) {
    this.#frame = frame;
    this.#shape = template;
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
    const placeholder = this.#shape.textPlaceholder;
    return placeholder === undefined ? '' : (this.#text ??= this.#textAt(placeholder));
  }

  get generated(): string {
    const { generatedPlaceholders: generatedPlaceholders, textPlaceholder: textPlaceholder } = this.#shape;
    let generated = '';
    for (const placeholder of generatedPlaceholders)
      generated += placeholder === textPlaceholder ? this.text : this.#textAt(placeholder);
    return generated;
  }

  #textAt(placeholder: number): string {
    return stringAt(
      this.#frame,
      this.#positions[2 * placeholder] ?? 0,
      this.#positions[2 * placeholder + 1] ?? 0,
    );
  }
}

/** V8 copies shorter slices; a longer one would keep the whole chunk that it is a window on. */
const MIN_WINDOW = 13;
const PLAIN = /^[ -[\]-~]*$/;

/** The value of a well-formed JSON string whose characters stand there. */
function stringAt(frame: SseFrame, start: number, end: number): string {
  if (end - start < MIN_WINDOW) {
    const latin1 = frame.latin1.slice(start, end);
    if (PLAIN.test(latin1)) return latin1;
  }
  const text = frame.bytes.toString('utf8', start, end);
  return text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text;
}
