import type { ChatCompletionChunk } from '../call/answer';
import type { AnswerProgress } from './answer-progress';
import { type ChatEvent, isChunk, ParsedChatEvent } from './chat-event';
import { readEventJson } from './event-json';
import type { FrameReader } from './sse/frame-reader';
import type { SseEvent } from './sse/sse-frame';
import { TruncatedStreamError } from './stream-errors';

interface DialectEventsOptions {
  readonly hideUsage: boolean;
  onMalformed?(): void;
  readonly dialectChunks: (events: AsyncIterable<SseEvent>) => AsyncIterable<ChatCompletionChunk>;
}

/** The events of a wire format that is not OpenAI's, translated by the dialect. They have no bytes to pass through. */
export async function* readDialectEvents(
  frames: FrameReader,
  progress: AnswerProgress,
  options: DialectEventsOptions,
): AsyncGenerator<ChatEvent, undefined> {
  try {
    for await (const chunk of options.dialectChunks(validEvents(frames, progress, options))) {
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

/** Only events that are JSON and no error, so that a dialect needn't check for either. */
async function* validEvents(
  frames: FrameReader,
  progress: AnswerProgress,
  options: DialectEventsOptions,
): AsyncGenerator<SseEvent, void> {
  do {
    for (let frame = frames.take(); frame; frame = frames.take()) {
      if (frame.data.startsWith('[DONE]')) {
        frames.release();
        return;
      }
      if (readEventJson(frame, progress, options) === undefined) continue;
      yield frame.event === undefined ? { data: frame.data } : { event: frame.event, data: frame.data };
    }
  } while (await frames.fill());
}
