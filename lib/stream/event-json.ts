import type { AnswerProgress } from './answer-progress';
import { isError } from './chunk-facts';
import type { SseEvent } from './sse/sse-decoder';
import { UpstreamStreamError } from './stream-errors';

/**
 * The JSON value of an event, or undefined where there is none to read.
 * @throws UpstreamStreamError where it is an error. Once the answer is complete, nothing can make it less so.
 */
export function readEventJson(
  event: SseEvent,
  progress: AnswerProgress,
  options: { onMalformed?(): void },
): unknown {
  const { data } = event;
  if (data.trim() === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    if (event.event === 'error' && !progress.isComplete) throw new UpstreamStreamError(data, event.event);
    options.onMalformed?.();
    return undefined;
  }
  if (!isError(value) && event.event !== 'error') return value ?? undefined;
  if (!progress.isComplete) throw new UpstreamStreamError(data, event.event);
  return undefined;
}
