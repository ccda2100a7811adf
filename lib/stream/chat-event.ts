import type { ChatCompletionChunk, Usage } from '../call/answer';
import type { ChunkFacts } from './chunk-facts';
import type { EventShape, HolePositions } from './event-shape';
import type { SseFrame } from './sse-decoder';

/** One event of a streamed answer: its bytes, what a balancer must know of it, and, when asked for, the chunk. */
export interface ChatEvent {
  /** The bytes to pass through as they are, with the blank line; undefined where the wire was not OpenAI's. */
  readonly raw: Uint8Array | undefined;
  /** Parsed when first read, where it was not needed before. */
  readonly chunk: ChatCompletionChunk;
  /** Whether it brings a part of the answer: text, a piece of a tool call, a refusal, reasoning. A role is not. */
  readonly content: boolean;
  /** Whether it ends a choice. */
  readonly finish: boolean;
  /** Not for the caller: the usage that only the balancer asked for. */
  readonly hidden: boolean;
  readonly usage: Usage | undefined;
  /** The text that it adds to the first choice. */
  readonly text: string;
  /** All that was generated, of every choice: text, reasoning, refusals, names and arguments of tools. */
  readonly generated: string;
}

/** An event that was parsed, or that a dialect made. */
export class ParsedChatEvent implements ChatEvent {
  readonly content: boolean;
  readonly finish: boolean;
  readonly usage: Usage | undefined;
  readonly text: string;
  readonly generated: string;
  readonly #frame: SseFrame | undefined;

  constructor(
    readonly chunk: ChatCompletionChunk,
    facts: ChunkFacts,
    readonly hidden: boolean,
    frame?: SseFrame,
  ) {
    this.content = facts.content;
    this.finish = facts.finished.length > 0;
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
export class ShapedChatEvent implements ChatEvent {
  readonly content: boolean;
  readonly finish = false;
  readonly hidden = false;
  readonly usage = undefined;
  #chunk: ChatCompletionChunk | undefined;

  constructor(
    private readonly frame: SseFrame,
    private readonly shape: EventShape,
    private readonly positions: HolePositions,
  ) {
    this.content = shape.isContent(positions);
  }

  get raw(): Uint8Array {
    return this.frame.raw;
  }

  get chunk(): ChatCompletionChunk {
    return (this.#chunk ??= JSON.parse(this.frame.data) as ChatCompletionChunk);
  }

  get text(): string {
    return this.#read('text');
  }

  get generated(): string {
    return this.#read('generated');
  }

  #read(what: 'text' | 'generated'): string {
    const spans = this.shape.spans(this.positions, what);
    let text = '';
    for (let i = 0; i < spans.length; i += 2) text += stringAt(this.frame, spans[i] as number, spans[i + 1] as number);
    return text;
  }
}

const PLAIN = /^[ -[\]-~]*$/;

/** The value of a well-formed JSON string whose characters stand there. */
function stringAt(frame: SseFrame, start: number, end: number): string {
  const latin1 = frame.latin1.slice(start, end);
  if (PLAIN.test(latin1)) return latin1;
  return JSON.parse(`"${frame.bytes.toString('utf8', start, end)}"`) as string;
}
