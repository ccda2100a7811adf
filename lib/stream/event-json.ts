import { classifyEmbeddedError, holdsError } from '../failure/embedded-error';
import type { AnswerProgress } from './answer-progress';
import type { SseEvent } from './sse/sse-frame';
import { UpstreamStreamError } from './stream-errors';

/**
 * The JSON value of an event, or undefined if it has none.
 * @throws UpstreamStreamError if the event is an error and the answer is not complete yet
 */
export function readEventJson(
  event: SseEvent,
  progress: AnswerProgress,
  options: { onMalformed?(): void },
): unknown {
  const { data } = event;
  if (data.trim() === '') return undefined;
  const isErrorEvent = event.event === 'error';
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    if (isErrorEvent && !progress.isComplete) throw new UpstreamStreamError(classifyEmbeddedError(data));
    options.onMalformed?.();
    return undefined;
  }
  if (!holdsError(value) && !isErrorEvent) return value ?? undefined;
  if (!progress.isComplete) throw new UpstreamStreamError(classifyEmbeddedError(value));
  return undefined;
}
