import type { ChatCompletionChunk, Usage } from '../call/answer';
import type { ChunkFacts } from './chunk-facts';
import type { SseFrame } from './sse/sse-frame';

/** One event of a streamed answer: its bytes, what the balancer needs to know of it, and its chunk on demand. */
export interface ChatEvent {
  /** The bytes to pass through unchanged, with the blank line; undefined where the wire format is not OpenAI's. */
  readonly raw: Uint8Array | undefined;
  /** Parsed when first read, if it was not parsed before. */
  readonly chunk: ChatCompletionChunk;
  /** Whether it brings part of the answer: text, a piece of a tool call, a refusal, reasoning. A role is not content. */
  readonly hasContent: boolean;
  /** Whether it ends a choice. */
  readonly hasFinishReason: boolean;
  /** Whether it is kept from the caller: usage that only the balancer asked for. */
  readonly isHidden: boolean;
  readonly usage: Usage | undefined;
  /** The text that it adds to the first choice. */
  readonly text: string;
  /** Everything that was generated, of every choice: text, reasoning, refusals, names and arguments of tools. */
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
