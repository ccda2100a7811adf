import type { ChatCompletionChunk } from '../call/answer';
import { AnswerProgress } from './answer-progress';
import { type ChatEvent, ParsedChatEvent } from './chat-event';
import { isChunk, isFields, readFacts, usageIn } from './chunk-facts';
import { readDialectEvents } from './dialect-events';
import { readEventJson } from './event-json';
import { TemplateCache } from './fast-path/template-cache';
import { FrameReader } from './sse/frame-reader';
import type { SseEvent, SseFrame } from './sse/sse-decoder';
import { TruncatedStreamError } from './stream-errors';

export type { ChatEvent } from './chat-event';
export { EventTooLargeError, TruncatedStreamError, UpstreamStreamError } from './stream-errors';

const GRACE_MS = 1000;
const SHORT_GRACE_MS = 250;

export interface ReadChatEventsOptions {
  /** Whether the upstream was asked for usage, and so may send it after the last choice has ended. */
  readonly expectUsage: boolean;
  /** How many choices were asked for: the `n` of the request. */
  readonly choices: number;
  /** Whether the caller did not ask for usage: the event that only reports it is then marked as hidden. */
  readonly hideUsage: boolean;
  /**
   * How long a complete answer waits for usage, and then for the end of the stream, in milliseconds; at most 250 where
   * no usage is expected. Default 1000.
   */
  readonly graceMs?: number;
  /** The largest event, in bytes. Default 8 MiB. */
  readonly maxEventBytes?: number;
  /** Called for each event that was skipped because it could not be read. */
  onMalformed?(): void;
  /** Of a dialect whose wire is not OpenAI's. */
  readonly dialectChunks?:
    | ((events: AsyncIterable<SseEvent>) => AsyncIterable<ChatCompletionChunk>)
    | undefined;
}

/**
 * Reads a provider's bytes as the events of an answer. It reads only when asked, and closes the source when the answer
 * ends, fails, or is no longer wanted (`return()`, as `for await` does when left). It has one reader.
 *
 * The iteration ends only when the answer is whole. It throws
 * - UpstreamStreamError where the upstream sends an error in place of an event;
 * - TruncatedStreamError where the stream ends before every choice has its `finish_reason`;
 * - EventTooLargeError, and whatever the source throws.
 */
export function readChatEvents(
  source: AsyncIterable<Uint8Array>,
  options: ReadChatEventsOptions,
): AsyncIterableIterator<ChatEvent> {
  const progress = new AnswerProgress(options.choices);
  const graceMs = options.graceMs ?? GRACE_MS;
  const frames = new FrameReader(source, {
    graceMs: options.expectUsage ? graceMs : Math.min(graceMs, SHORT_GRACE_MS),
    isComplete: () => progress.isComplete,
    ...(options.maxEventBytes === undefined ? {} : { maxEventBytes: options.maxEventBytes }),
  });
  if (options.dialectChunks) {
    return readDialectEvents(frames, progress, { ...options, dialectChunks: options.dialectChunks });
  }
  return new ChatEventReader(frames, progress, options);
}

type Result = IteratorResult<ChatEvent, undefined>;
const END: Result = { done: true, value: undefined };

/** Written by hand, not as a generator: an event costs one promise, and return() acts even while a read is pending. */
class ChatEventReader implements AsyncIterableIterator<ChatEvent, undefined> {
  readonly #frames: FrameReader;
  readonly #progress: AnswerProgress;
  readonly #options: ReadChatEventsOptions;
  readonly #templates = new TemplateCache();
  #pending: Promise<Result> | undefined;
  #isEnded = false;

  constructor(frames: FrameReader, progress: AnswerProgress, options: ReadChatEventsOptions) {
    this.#frames = frames;
    this.#progress = progress;
    this.#options = options;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result> {
    if (this.#pending) return this.#pending.then(() => this.next());
    try {
      const ready = this.#take();
      if (ready) return Promise.resolve(ready);
    } catch (error) {
      return this.#fail(error);
    }
    return (this.#pending = this.#wait());
  }

  return(): Promise<Result> {
    this.#isEnded = true;
    this.#frames.close();
    return Promise.resolve(END);
  }

  throw(error: unknown): Promise<Result> {
    return this.#fail(error);
  }

  async #wait(): Promise<Result> {
    try {
      while (await this.#frames.fill()) {
        const ready = this.#take();
        if (ready) return ready;
      }
      if (!this.#isEnded && !this.#progress.isComplete) throw new TruncatedStreamError();
    } catch (error) {
      if (!this.#isEnded) return await this.#fail(error);
    } finally {
      this.#pending = undefined;
    }
    this.#isEnded = true;
    return END;
  }

  /** The next event, or the end, of what has arrived. */
  #take(): Result | undefined {
    while (!this.#isEnded) {
      const frame = this.#frames.take();
      if (!frame) return undefined;
      const event = this.#templates.match(frame) ?? this.#parse(frame);
      if (event) return { done: false, value: event };
    }
    return END;
  }

  #parse(frame: SseFrame): ChatEvent | undefined {
    const { data } = frame;
    if (data.startsWith('[DONE]')) {
      if (!this.#progress.isFinished)
        throw new TruncatedStreamError('The stream said it was done before the answer was.');
      this.#isEnded = true;
      this.#frames.release();
      return undefined;
    }
    const value = readEventJson(frame, this.#progress, this.#options);
    if (value === undefined) return undefined;
    if (!isChunk(value)) return this.#parseUsageOnly(value);

    const facts = readFacts(value);
    this.#progress.add(facts);
    if (facts.usage) this.#frames.restartGrace();
    else this.#templates.learn(frame, facts);
    const hidden = this.#options.hideUsage && facts.usage !== undefined && value.choices.length === 0;
    return new ParsedChatEvent(value, facts, hidden, frame);
  }

  /** Of an event that is no chunk, only usage is of use. */
  #parseUsageOnly(value: unknown): ChatEvent | undefined {
    const usage = usageIn(value);
    if (!usage || !isFields(value)) {
      this.#options.onMalformed?.();
      return undefined;
    }
    this.#frames.restartGrace();
    const chunk = { ...value, choices: [] } as unknown as ChatCompletionChunk;
    return new ParsedChatEvent(chunk, { ...readFacts(chunk), usage }, true);
  }

  #fail(error: unknown): Promise<Result> {
    this.#isEnded = true;
    this.#frames.close();
    // What the source throws is passed on as it is.
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
    return Promise.reject(error);
  }
}
