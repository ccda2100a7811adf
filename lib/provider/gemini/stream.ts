import type { ChatCompletionChunk, Usage } from '../../call/answer';
import { StreamFailure, UpstreamStreamError } from '../../stream/stream-errors';
import { type Fields, isObject } from '../../util/is-object';
import type { JsonEvent } from '../dialect';
import { ChunkWriter } from '../translation/openai-answer';
import { candidatesOf, headOf, indexOf, partsOf, readPart, toFinishReason, toUsage } from './answer';

/** Translates the events of streamGenerateContent into OpenAI's chunks. A function call comes whole, in one event. */
export class GeminiStream {
  #writer: ChunkWriter | undefined;
  /** Number of function calls so far, by candidate index. */
  readonly #calls = new Map<number, number>();
  readonly #finished = new Set<number>();
  readonly #candidates: number;
  /** The usage in the latest event. It is sent once, when every candidate has finished. */
  #usage: Usage | undefined;
  #isUsageSent = false;

  /** @param candidates How many answers were requested. */
  constructor(candidates: number) {
    this.#candidates = candidates;
  }

  async *chunks(events: AsyncIterable<JsonEvent>): AsyncGenerator<ChatCompletionChunk, void> {
    for await (const { json } of events) if (isObject(json)) yield* this.#read(json);
    // Sends the usage also if the upstream has sent fewer candidates than were requested.
    if (this.#finished.size > 0) yield* this.#sendUsage();
  }

  *#read(event: Fields): Generator<ChatCompletionChunk, void> {
    const candidates = candidatesOf(event);
    if (candidates.length === 0) checkPrompt(event);
    const writer = (this.#writer ??= new ChunkWriter(headOf(event)));
    for (const [position, candidate] of candidates.entries()) {
      yield* this.#readCandidate(writer, candidate, indexOf(candidate, position));
    }
    if (this.#isUsageSent) return;
    this.#usage = toUsage(event.usageMetadata) ?? this.#usage;
    if (this.#finished.size >= this.#candidates) yield* this.#sendUsage();
  }

  *#sendUsage(): Generator<ChatCompletionChunk, void> {
    if (!this.#usage || !this.#writer || this.#isUsageSent) return;
    this.#isUsageSent = true;
    yield this.#writer.usage(this.#usage);
  }

  *#readCandidate(
    writer: ChunkWriter,
    candidate: Fields,
    index: number,
  ): Generator<ChatCompletionChunk, void> {
    for (const part of partsOf(candidate)) {
      const read = readPart(part);
      if (read.kind === 'text') {
        const extra = read.extra ? { extra_content: read.extra } : {};
        yield writer.delta(index, { content: read.text, ...extra });
      }
      if (read.kind === 'thought') yield writer.delta(index, { reasoning_content: read.text });
      else if (read.kind === 'image') yield writer.delta(index, { images: [read.image] });
      else if (read.kind === 'call') {
        const at = this.#calls.get(index) ?? 0;
        this.#calls.set(index, at + 1);
        yield writer.delta(index, { tool_calls: [{ index: at, ...read.call }] });
      }
    }
    const { finishReason } = candidate;
    if (typeof finishReason !== 'string' || finishReason === 'FINISH_REASON_UNSPECIFIED') return;
    const reason = toFinishReason(finishReason, this.#calls.has(index));
    if (reason === 'error') throw new StreamFailure(`The model stopped with ${finishReason.slice(0, 64)}.`);
    this.#finished.add(index);
    yield writer.finish(index, reason);
  }
}

/** Throws if Gemini has refused the prompt: the event then has a block reason in place of candidates. */
function checkPrompt({ promptFeedback }: Fields): void {
  const reason = isObject(promptFeedback) ? promptFeedback.blockReason : undefined;
  if (typeof reason !== 'string') return;
  const code = reason.slice(0, 100);
  throw new UpstreamStreamError({ class: 'content_policy', code, message: 'The prompt was blocked' });
}
