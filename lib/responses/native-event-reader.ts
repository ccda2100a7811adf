import type { ResponseStreamEvent } from '../call/response';
import type { ChatEvent } from '../stream/chat-event';
import { FrameReader } from '../stream/sse/frame-reader';
import { StreamFailure, TruncatedStreamError, UpstreamStreamError } from '../stream/stream-errors';
import { isObject } from '../util/is-object';
import { isTextNestedDeeper, MAX_NESTING } from '../util/nesting';
import { failureInEvent, NativeEvent } from './native-response';

/** How long to wait for the end of the connection after the last event, in milliseconds. */
const GRACE_MS = 250;
/**
 * Failure classes that mean that the upstream refused the request. If an event reports one after content has arrived,
 * the upstream had accepted the request, so the failure counts as class 'server'.
 */
const REFUSALS = new Set(['too_large', 'context_window', 'bad_request', 'not_served', 'model_missing']);

/**
 * Reads the stream of a Responses API. Returns only after `response.completed` or `response.incomplete`.
 *
 * @throws UpstreamStreamError for an event that reports a failure; TruncatedStreamError if the stream ends early;
 *   StreamFailure for an event that is not JSON, which may hold a part of the answer.
 */
export async function* readNativeEvents(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<ChatEvent, undefined> {
  let isComplete = false;
  let hasContent = false;
  const frames = new FrameReader(source, { graceMs: GRACE_MS, isComplete: () => isComplete });
  try {
    do {
      for (let frame = frames.take(); frame; frame = frames.take()) {
        const value = parse(frame.data);
        if (value === undefined) continue;
        const failure = failureInEvent(value);
        if (failure) {
          const isRefusal = hasContent && REFUSALS.has(failure.class);
          throw new UpstreamStreamError(isRefusal ? { ...failure, class: 'server' } : failure);
        }
        const event = new NativeEvent(value, frame);
        hasContent ||= event.hasContent;
        isComplete = event.hasFinishReason;
        if (isComplete) frames.release();
        yield event;
        if (isComplete) return;
      }
    } while (await frames.fill());
    throw new TruncatedStreamError();
  } finally {
    frames.close();
  }
}

/** Parses the data of a frame. Undefined if it is not an event, such as a comment or `[DONE]`. */
function parse(data: string): ResponseStreamEvent | undefined {
  if (data.trim() === '' || data.startsWith('[DONE]')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    throw new StreamFailure('An event of the stream could not be read, and may hold a part of the answer.');
  }
  if (isTextNestedDeeper(data, MAX_NESTING))
    throw new StreamFailure(`An event of the stream is nested deeper than ${MAX_NESTING} levels.`);
  if (!isObject(value)) return undefined;
  // Some servers report an error without a type.
  if (typeof value.type !== 'string' && !value.error) return undefined;
  return value as ResponseStreamEvent;
}
