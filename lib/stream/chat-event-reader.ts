import type { ChatCompletionChunk } from '../call/answer';
import { isObject } from '../util/is-object';
import { AnswerProgress } from './answer-progress';
import {
  type ChatEvent,
  type ChunkIdentity,
  identityOf,
  isChunk,
  ParsedChatEvent,
  withDeltas,
} from './chat-event';
import { readEventJson, skipUnreadable } from './event-json';
import { TemplateCache } from './fast-path/template-cache';
import { FrameReader } from './sse/frame-reader';
import type { JsonEvent, SseEvent, SseFrame } from './sse/sse-frame';
import { TruncatedStreamError } from './stream-errors';
import { readUsage } from './usage';

const GRACE_MS = 1000;
const SHORT_GRACE_MS = 250;

export interface ReadChatEventsOptions {
  /** Whether the upstream was asked for usage, which it may send after the last choice has ended. */
  readonly expectUsage: boolean;
  /** How many choices were requested: `n` of the request. */
  readonly choices: number;
  /** Whether to mark the event that only reports usage as hidden, because the caller didn't ask for it. */
  readonly hideUsage: boolean;
  /**
   * How long to wait for usage and for the end of the stream after a complete answer, in milliseconds; at most 250 if
   * no usage is expected. Default 1000.
   */
  readonly graceMs?: number;
  /** Size limit of one event, in bytes. Default 8 MiB. */
  readonly maxEventBytes?: number;
  /** Whether an answer without any content is valid, because the request has a stop sequence. Default false. */
  readonly mayBeEmpty?: boolean;
  /** Called for each event that is skipped because it can't be read and holds no part of the answer. */
  onSkippedEvent?(): void;
  /** Translates the events, if the dialect's wire format is not OpenAI's. */
  readonly dialectChunks?: DialectChunks;
}

type DialectChunks = (events: AsyncIterable<JsonEvent>) => AsyncIterable<ChatCompletionChunk>;

/**
 * Reads a provider's bytes as the events of an answer, for one reader. It reads only when asked, and closes the source
 * when the answer ends, fails, or is no longer wanted (`return()`, which leaving a `for await` calls).
 *
 * The iteration ends only when the answer is complete. It throws
 * - UpstreamStreamError if the upstream sends an error in place of an event;
 * - TruncatedStreamError if the stream ends before every choice has its `finish_reason`. A text without a
 *   `finish_reason` is complete if `[DONE]` follows: an event with `finish_reason: 'stop'` is added;
 * - StreamFailure if the answer ends without content, or if an event that may hold a part of it can't be read;
 * - EventTooLargeError, and whatever the source throws.
 */
export function readChatEvents(
  source: AsyncIterable<Uint8Array>,
  options: ReadChatEventsOptions,
): ChatEvents {
  const progress = new AnswerProgress(options.choices, options.mayBeEmpty);
  const graceMs = options.graceMs ?? GRACE_MS;
  const frames = new FrameReader(source, {
    graceMs: options.expectUsage ? graceMs : Math.min(graceMs, SHORT_GRACE_MS),
    isComplete: () => progress.isComplete,
    maxEventBytes: options.maxEventBytes,
  });
  if (options.dialectChunks) return readDialectEvents(frames, progress, options, options.dialectChunks);
  return new ChatEventReader(frames, progress, options);
}

export type EventResult = IteratorResult<ChatEvent, undefined>;

/** The events of an answer. */
export interface ChatEvents extends AsyncIterableIterator<ChatEvent, undefined> {
  /** Returns the next event, or the end, if it has already arrived; else undefined. Throws as the iteration does. */
  take?(): EventResult | undefined;
}

const END: EventResult = { done: true, value: undefined };

type ReaderState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'reading'; readonly result: Promise<EventResult> }
  | { readonly kind: 'ended' };

/**
 * A class instead of a generator, so that an event costs only one promise, and return() takes effect even while a read
 * is pending.
 */
class ChatEventReader implements ChatEvents {
  readonly #frames: FrameReader;
  readonly #progress: AnswerProgress;
  readonly #options: ReadChatEventsOptions;
  readonly #templates = new TemplateCache();
  #state: ReaderState = { kind: 'idle' };
  /** The identity of the last parsed chunk. The chunk itself is not held while the stream waits for the next. */
  #identity: ChunkIdentity | undefined;

  constructor(frames: FrameReader, progress: AnswerProgress, options: ReadChatEventsOptions) {
    this.#frames = frames;
    this.#progress = progress;
    this.#options = options;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<EventResult> {
    if (this.#state.kind === 'ended') return Promise.resolve(END);
    if (this.#state.kind === 'reading') return this.#state.result.then(() => this.next());
    try {
      const ready = this.#take();
      if (ready) return Promise.resolve(ready);
    } catch (error) {
      return this.#fail(error);
    }
    const result = this.#read();
    this.#state = { kind: 'reading', result };
    return result;
  }

  take(): EventResult | undefined {
    if (this.#state.kind !== 'idle') return undefined;
    try {
      return this.#take();
    } catch (error) {
      this.#state = { kind: 'ended' };
      this.#frames.close();
      throw error;
    }
  }

  return(): Promise<EventResult> {
    this.#state = { kind: 'ended' };
    this.#frames.close();
    return Promise.resolve(END);
  }

  throw(error: unknown): Promise<EventResult> {
    return this.#fail(error);
  }

  async #read(): Promise<EventResult> {
    try {
      while (await this.#frames.fill()) {
        const ready = this.#take();
        if (!ready) continue;
        if (this.#state.kind === 'reading') this.#state = { kind: 'idle' };
        return ready;
      }
      if (this.#state.kind !== 'ended' && !this.#progress.isComplete) throw new TruncatedStreamError();
    } catch (error) {
      return await this.#fail(error);
    }
    this.#state = { kind: 'ended' };
    return END;
  }

  /** The next event in the bytes that have arrived, or the end; undefined if more bytes are needed. */
  #take(): EventResult | undefined {
    while (this.#state.kind !== 'ended') {
      const frame = this.#frames.take();
      if (!frame) return undefined;
      const event = this.#templates.match(frame) ?? this.#parse(frame);
      if (!event) continue;
      this.#progress.hasContent ||= event.hasContent;
      return { done: false, value: event };
    }
    return END;
  }

  #parse(frame: SseFrame): ChatEvent | undefined {
    const source = eventOf(frame);
    const { data } = source;
    if (data.startsWith('[DONE]')) return this.#onDone();
    const value = readEventJson(source, this.#progress, this.#options);
    if (value === undefined) return undefined;
    if (!isChunk(value)) return this.#parseUsageOnly(value, data);

    const chunk = withDeltas(value);
    const isUnchanged = chunk === value;
    const event = new ParsedChatEvent(chunk, this.#options.hideUsage, isUnchanged ? frame : undefined);
    this.#progress.add(event);
    this.#identity = identityOf(chunk);
    if (event.usage) this.#frames.restartGrace();
    else if (isUnchanged) this.#templates.learn(frame, event);
    return event;
  }

  /** Called for `[DONE]`. Returns an event that ends the choices without a finish_reason, if there are any. */
  #onDone(): ChatEvent | undefined {
    const open = this.#progress.choicesToFinish;
    if (open === undefined)
      throw new TruncatedStreamError('The stream said it was done before the answer was.');
    this.#state = { kind: 'ended' };
    this.#frames.release();
    if (open.length === 0 || this.#identity === undefined) return undefined;
    const { id, created, model } = this.#identity;
    const chunk: ChatCompletionChunk = {
      id,
      object: 'chat.completion.chunk',
      created,
      model,
      choices: open.map((index) => ({ index, delta: {}, finish_reason: 'stop' })),
    };
    return new ParsedChatEvent(chunk, false);
  }

  /** An event that is not a chunk may still report usage. */
  #parseUsageOnly(value: unknown, data: string): ChatEvent | undefined {
    if (!isObject(value) || !readUsage(value)) {
      skipUnreadable(data, this.#progress, this.#options);
      return undefined;
    }
    this.#frames.restartGrace();
    return new ParsedChatEvent({ ...value, choices: [] } as unknown as ChatCompletionChunk, true);
  }

  #fail(error: unknown): Promise<EventResult> {
    this.#state = { kind: 'ended' };
    this.#frames.close();
    // What the source throws is passed on unchanged.
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
    return Promise.reject(error);
  }
}

/** The events of a wire format that is not OpenAI's, translated by the dialect. They have no bytes to pass through. */
async function* readDialectEvents(
  frames: FrameReader,
  progress: AnswerProgress,
  options: ReadChatEventsOptions,
  dialectChunks: DialectChunks,
): AsyncGenerator<ChatEvent, undefined> {
  try {
    for await (const chunk of dialectChunks(validEvents(frames, progress, options))) {
      if (!isChunk(chunk)) continue;
      const event = new ParsedChatEvent(chunk, options.hideUsage);
      progress.add(event);
      if (event.usage) frames.restartGrace();
      yield event;
    }
    if (!progress.isComplete) throw new TruncatedStreamError();
  } finally {
    frames.close();
  }
}

/** Converts a frame to an event that holds its decoded data: each read of `frame.data` decodes the bytes again. */
function eventOf({ event, data }: SseFrame): SseEvent {
  return event === undefined ? { data } : { event, data };
}

/** The events that are JSON and not errors, so that a dialect needn't check for either. */
async function* validEvents(
  frames: FrameReader,
  progress: AnswerProgress,
  options: ReadChatEventsOptions,
): AsyncGenerator<JsonEvent, void> {
  do {
    for (let frame = frames.take(); frame; frame = frames.take()) {
      const event = eventOf(frame);
      if (event.data.startsWith('[DONE]')) {
        frames.release();
        return;
      }
      const json = readEventJson(event, progress, options);
      if (json !== undefined) yield { ...event, json };
    }
  } while (await frames.fill());
}
