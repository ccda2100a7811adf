import { classifyEmbeddedError, holdsError } from '../failure/check-answer';
import type { FailureClass } from '../failure/classes';
import { isTextNestedDeeper, MAX_NESTING } from '../util/nesting';
import type { AnswerProgress } from './answer-progress';
import type { SseEvent } from './sse/sse-frame';
import { StreamFailure, UpstreamStreamError } from './stream-errors';

/**
 * Limit on the events of one stream that are not JSON. A failed JSON.parse takes a hundred times as long as parsing a
 * small event.
 */
const MAX_UNREADABLE = 1000;

export interface UnreadableOptions {
  /** Called for each event that is skipped. */
  onSkippedEvent?(): void;
  /** Set if the wire format is not OpenAI's. */
  readonly dialectChunks?: unknown;
}

/**
 * The JSON value of an event, or undefined if it has none.
 *
 * @throws UpstreamStreamError if the event is an error and the answer is not complete yet; StreamFailure if the event
 *   can't be read and may hold a part of the answer, is nested too deeply, or if too many events can't be read
 */
export function readEventJson(
  event: SseEvent,
  progress: AnswerProgress,
  options: UnreadableOptions,
): unknown {
  const { data } = event;
  if (progress.unreadable > MAX_UNREADABLE || data.trim() === '') return undefined;
  const isErrorEvent = event.event === 'error';
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    if (isErrorEvent && !progress.isComplete) throw embeddedError(data, progress);
    progress.unreadable++;
    if (progress.unreadable > MAX_UNREADABLE && !progress.isComplete)
      throw new StreamFailure(`More than ${MAX_UNREADABLE} events of the stream could not be read.`);
    skipUnreadable(data, progress, options);
    return undefined;
  }
  if (isTextNestedDeeper(data, MAX_NESTING)) {
    if (progress.isComplete) return undefined;
    throw new StreamFailure(`An event of the stream is nested deeper than ${MAX_NESTING} levels.`);
  }
  if (!holdsError(value) && !isErrorEvent) return value ?? undefined;
  if (!progress.isComplete) throw embeddedError(value, progress);
  return undefined;
}

/** Failure classes with which an upstream refuses a request. */
const REFUSALS: ReadonlySet<FailureClass> = new Set<FailureClass>([
  'too_large',
  'context_window',
  'bad_request',
  'not_served',
  'model_missing',
]);

/**
 * The error of an error event. An upstream that has begun to answer has accepted the request, so a refusal is then
 * classified as a server fault.
 */
function embeddedError(value: unknown, progress: AnswerProgress): UpstreamStreamError {
  const detail = classifyEmbeddedError(value);
  return new UpstreamStreamError(
    progress.hasContent && REFUSALS.has(detail.class) ? { ...detail, class: 'server' } : detail,
  );
}

/**
 * Skips and counts an event that is not JSON or not a chunk.
 *
 * @throws StreamFailure if the event may hold a part of the answer
 */
export function skipUnreadable(data: string, progress: AnswerProgress, options: UnreadableOptions): void {
  // In another wire format than OpenAI's, each event that is meant as JSON belongs to the answer.
  const isPart = options.dialectChunks !== undefined && /^\s{0,100}[{[]/.test(data);
  if (!progress.isComplete && (isPart || mayHoldContent(data)))
    throw new StreamFailure('An event of the stream could not be read, and may hold a part of the answer.');
  options.onSkippedEvent?.();
}

const CONTENT_KEY =
  /"(?:content|refusal|reasoning(?:_content|_details)?|tool_calls?|function_call|arguments|thinking|text|audio|images)\b/g;
/**
 * Matches what follows the name of a key found by CONTENT_KEY if there is no content: the value is empty, or the event
 * ends before the value.
 */
const NO_CONTENT = /"\s*:\s*(?:$|(?:null|""|\[\s*\]|\{\s*\})\s*(?=[,}\]]))/y;
/** Matches an event that was cut off within a key of a delta, which may have been a key of content. */
const CUT_IN_KEY = /"delta"\s*:\s*\{(?:[^{}]*,)?\s*"[a-z_]*$/;

function mayHoldContent(data: string): boolean {
  for (const match of data.matchAll(CONTENT_KEY)) {
    NO_CONTENT.lastIndex = match.index + match[0].length;
    if (!NO_CONTENT.test(data)) return true;
  }
  return CUT_IN_KEY.test(data.slice(-200));
}
