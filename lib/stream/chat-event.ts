import type { ChatCompletionChunk, Usage } from '../call/answer';
import type { ResponseStreamEvent } from '../call/response';
import { holdsContent, TEXT_FIELDS } from '../failure/check-answer';
import { isObject } from '../util/is-object';
import type { SseFrame } from './sse/sse-frame';
import { readUsage } from './usage';

/** One event of a streamed answer: its bytes, what the balancer needs to know about it, and its chunk on demand. */
export interface ChatEvent {
  /**
   * The bytes to pass through unchanged, with the blank line at the end; undefined if the wire format is not OpenAI's.
   */
  readonly raw: Uint8Array | undefined;
  /** The event's JSON, parsed when it is first read, if it was not parsed before. */
  readonly chunk: ChatCompletionChunk;
  /**
   * Whether the event adds to the answer: text, a piece of a tool call, a refusal, reasoning. A role is not content.
   */
  readonly hasContent: boolean;
  /** Whether the event has the `finish_reason` of a choice. */
  readonly hasFinishReason: boolean;
  /** Whether the event is withheld from the caller, because it only reports usage that the caller did not ask for. */
  readonly isHidden: boolean;
  readonly usage: Usage | undefined;
  /** The text that the event adds to the first choice. */
  readonly text: string;
  /** The original event, if the upstream answers through the Responses API. */
  readonly native?: ResponseStreamEvent;
  /** Everything that the event adds to any choice: text, reasoning, refusals, names and arguments of tools. */
  readonly generated: string;
}

type Fields = Record<string, unknown>;

/** An event that was parsed, or that a dialect made, with everything that the balancer needs to know about it. */
export class ParsedChatEvent implements ChatEvent {
  readonly hasContent: boolean;
  readonly hasFinishReason: boolean;
  readonly hasToolCall: boolean;
  readonly isHidden: boolean;
  readonly usage: Usage | undefined;
  readonly text: string;
  readonly generated: string;
  readonly seenChoices: readonly number[];
  readonly finishedChoices: readonly number[];
  /** Why the finished choices ended, in the same order. */
  readonly finishReasons: readonly string[];
  readonly #frame: SseFrame | undefined;

  /** @param hideUsage whether an event that only reports usage is hidden */
  constructor(
    readonly chunk: ChatCompletionChunk,
    hideUsage: boolean,
    frame?: SseFrame,
  ) {
    const seenChoices: number[] = [];
    const finishedChoices: number[] = [];
    const finishReasons: string[] = [];
    let hasContent = false;
    let hasToolCall = false;
    let text = '';
    let generated = '';
    for (const [position, choice] of (chunk.choices as readonly Fields[]).entries()) {
      const index = typeof choice.index === 'number' ? choice.index : position;
      seenChoices.push(index);
      if (typeof choice.finish_reason === 'string' && choice.finish_reason !== '') {
        finishedChoices.push(index);
        finishReasons.push(choice.finish_reason);
      }
      const { delta } = choice;
      if (!isObject(delta)) continue;
      const added = textOf(delta);
      generated += added;
      hasContent ||= added !== '' || holdsContent(delta);
      hasToolCall ||= Array.isArray(delta.tool_calls) || isObject(delta.function_call);
      if (index === 0 && typeof delta.content === 'string') text += delta.content;
    }
    this.hasContent = hasContent;
    this.hasFinishReason = finishedChoices.length > 0;
    this.hasToolCall = hasToolCall;
    this.usage = readUsage(chunk);
    this.isHidden = hideUsage && this.usage !== undefined && chunk.choices.length === 0;
    this.text = text;
    this.generated = generated;
    this.seenChoices = seenChoices;
    this.finishedChoices = finishedChoices;
    this.finishReasons = finishReasons;
    this.#frame = frame;
  }

  get raw(): Uint8Array | undefined {
    return this.#frame?.raw;
  }
}

export function isChunk(value: unknown): value is ChatCompletionChunk {
  return isObject(value) && Array.isArray(value.choices) && value.choices.every(isObject);
}

/** Everything that was generated in the choices of a whole answer. */
export function generatedText(answer: unknown): string {
  if (!isObject(answer) || !Array.isArray(answer.choices)) return '';
  let text = '';
  for (const choice of answer.choices as unknown[])
    if (isObject(choice) && isObject(choice.message)) text += textOf(choice.message);
  return text;
}

/**
 * The chunk with a delta in each choice. Some servers send a whole `message` in a stream event instead, or the `text`
 * of the legacy completions API.
 */
export function withDeltas(chunk: ChatCompletionChunk): ChatCompletionChunk {
  const choices = chunk.choices as readonly Fields[];
  if (choices.every((choice) => isObject(choice.delta) || (!isObject(choice.message) && !choice.text)))
    return chunk;
  return {
    ...chunk,
    object: 'chat.completion.chunk',
    choices: choices.map((choice) => {
      const { message, text, ...rest } = choice;
      if (isObject(choice.delta)) return choice;
      return { ...rest, delta: isObject(message) ? toDelta(message) : { content: text } };
    }) as unknown as ChatCompletionChunk['choices'],
  };
}

/** Converts a message to a delta, in which tool calls have an index. */
function toDelta(message: Fields): Fields {
  if (!Array.isArray(message.tool_calls)) return message;
  const calls = message.tool_calls as unknown[];
  return {
    ...message,
    tool_calls: calls.map((call, index) => (isObject(call) ? { index, ...call } : call)),
  };
}

/**
 * Everything that a delta or message holds of generated text, in the order of the wire, so that the fast path, which
 * reads it from the bytes, returns the same.
 */
function textOf(delta: Fields): string {
  let text = '';
  // Object.entries would create arrays for each choice, and an answer may have a hundred thousand choices.
  for (const name in delta) {
    const value = delta[name];
    if (TEXT_FIELDS.includes(name)) text += stringOf(value);
    else if (name === 'function_call') text += functionText(value);
    else if (name === 'tool_calls' && Array.isArray(value)) {
      for (const call of value as unknown[]) if (isObject(call)) text += functionText(call.function);
    }
  }
  return text;
}

function functionText(called: unknown): string {
  return isObject(called) ? stringOf(called.name) + stringOf(called.arguments) : '';
}

function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** What all chunks of one answer have in common. */
export type ChunkIdentity = Pick<ChatCompletionChunk, 'id' | 'created' | 'model'>;

export function identityOf({ id, created, model }: ChatCompletionChunk): ChunkIdentity {
  return { id, created, model };
}
