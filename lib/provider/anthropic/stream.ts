import type { ChatCompletionChunk } from '../../call/answer';
import { type Fields, isObject } from '../../util/is-object';
import type { JsonEvent } from '../dialect';
import { textOf } from '../translation/conversation';
import { ChunkWriter } from '../translation/openai-answer';
import { isJsonAnswer, isThinking, toFinishReason, toUsage } from './answer';

/** A content block that is being streamed. */
type Block =
  | { readonly kind: 'text' | 'other' }
  /** A call of the JSON tool: the JSON of its input is the text of the answer. */
  | { readonly kind: 'json-answer' }
  | { readonly kind: 'thinking'; readonly start: Fields; text: string; signature: string }
  | { readonly kind: 'tool'; readonly index: number; readonly input: unknown; hasArguments: boolean };

/** Translates the events of a streamed message into OpenAI's chunks. */
export class AnthropicStream {
  #writer = new ChunkWriter({ id: '', model: '' });
  readonly #blocks = new Map<unknown, Block>();
  /** Complete thinking blocks that have not been sent yet. */
  #thinking: Fields[] = [];
  #toolCalls = 0;
  #usage: Fields = {};

  async *chunks(events: AsyncIterable<JsonEvent>): AsyncGenerator<ChatCompletionChunk, void> {
    for await (const { json } of events) if (isObject(json)) yield* this.#read(json);
  }

  *#read(event: Fields): Generator<ChatCompletionChunk, void> {
    switch (event.type) {
      case 'message_start':
        yield* this.#start(isObject(event.message) ? event.message : {});
        break;
      case 'content_block_start':
        yield* this.#startBlock(event.index, isObject(event.content_block) ? event.content_block : {});
        break;
      case 'content_block_delta':
        yield* this.#delta(this.#blocks.get(event.index), isObject(event.delta) ? event.delta : {});
        break;
      case 'content_block_stop':
        yield* this.#stopBlock(event.index);
        break;
      case 'message_delta':
        yield* this.#finish(event);
    }
  }

  *#start(message: Fields): Generator<ChatCompletionChunk, void> {
    this.#writer = new ChunkWriter({ id: textOf(message.id), model: textOf(message.model) });
    if (isObject(message.usage)) this.#usage = message.usage;
    yield this.#writer.delta(0, { content: '' });
  }

  *#startBlock(index: unknown, block: Fields): Generator<ChatCompletionChunk, void> {
    if (isThinking(block)) {
      this.#blocks.set(index, { kind: 'thinking', start: block, text: '', signature: '' });
      yield* this.#delta(this.#blocks.get(index), { type: 'thinking_delta', thinking: block.thinking });
      return;
    }
    yield* this.#sendThinking();
    if (isJsonAnswer(block)) {
      this.#blocks.set(index, { kind: 'json-answer' });
    } else if (block.type === 'tool_use') {
      const at = this.#toolCalls++;
      this.#blocks.set(index, { kind: 'tool', index: at, input: block.input, hasArguments: false });
      const called = { name: textOf(block.name), arguments: '' };
      yield this.#writer.delta(0, {
        tool_calls: [{ index: at, id: textOf(block.id), type: 'function', function: called }],
      });
    } else {
      this.#blocks.set(index, { kind: block.type === 'text' ? 'text' : 'other' });
      if (block.type === 'text')
        yield* this.#delta({ kind: 'text' }, { type: 'text_delta', text: block.text });
    }
  }

  *#delta(block: Block | undefined, delta: Fields): Generator<ChatCompletionChunk, void> {
    if (delta.type === 'text_delta') {
      const content = textOf(delta.text);
      if (content !== '') yield this.#writer.delta(0, { content });
    } else if (delta.type === 'thinking_delta') {
      const thought = textOf(delta.thinking);
      if (block?.kind === 'thinking') block.text += thought;
      if (thought !== '') yield this.#writer.delta(0, { reasoning_content: thought });
    } else if (delta.type === 'signature_delta') {
      if (block?.kind === 'thinking') block.signature += textOf(delta.signature);
    } else if (delta.type === 'input_json_delta') {
      yield* this.#inputDelta(block, textOf(delta.partial_json));
    }
  }

  *#inputDelta(block: Block | undefined, json: string): Generator<ChatCompletionChunk, void> {
    if (json === '') return;
    if (block?.kind === 'json-answer') yield this.#writer.delta(0, { content: json });
    if (block?.kind !== 'tool') return;
    block.hasArguments = true;
    yield this.#writer.delta(0, { tool_calls: [{ index: block.index, function: { arguments: json } }] });
  }

  *#stopBlock(index: unknown): Generator<ChatCompletionChunk, void> {
    const block = this.#blocks.get(index);
    this.#blocks.delete(index);
    if (block?.kind === 'thinking') {
      const { start, text, signature } = block;
      this.#thinking.push(
        start.type === 'thinking' ? { type: 'thinking', thinking: text, signature } : start,
      );
    } else if (block?.kind === 'tool' && !block.hasArguments) {
      // A call of a tool without parameters has no deltas, so its arguments are sent when the block ends.
      yield* this.#inputDelta(block, JSON.stringify(isObject(block.input) ? block.input : {}));
    }
  }

  /**
   * Sends thinking blocks whole, because the API wants them back unchanged, and consecutive ones in a single chunk: the
   * stream helper of OpenAI's client keeps only the last value of a field that it doesn't know.
   */
  *#sendThinking(): Generator<ChatCompletionChunk, void> {
    const blocks = this.#thinking;
    this.#thinking = [];
    if (blocks.length > 0) yield this.#writer.delta(0, { thinking_blocks: blocks });
  }

  *#finish(event: Fields): Generator<ChatCompletionChunk, void> {
    const { stop_reason: stop } = isObject(event.delta) ? event.delta : ({} as Fields);
    // Usage is cumulative: each count replaces the previous one.
    if (isObject(event.usage)) this.#usage = { ...this.#usage, ...withoutNulls(event.usage) };
    if (typeof stop !== 'string') return;
    yield* this.#sendThinking();
    const reason = toFinishReason(stop);
    yield this.#writer.finish(0, reason === 'tool_calls' && this.#toolCalls === 0 ? 'stop' : reason);
    const usage = toUsage(this.#usage);
    if (usage) yield this.#writer.usage(usage);
  }
}

function withoutNulls(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}
