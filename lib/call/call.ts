import type { ChatBody, EmbeddingBody, Operation } from './body';
import type { CallSignal } from './call-signal';
import type { RequestContext } from './context';

/** One `req.ai.chat()` or `.embeddings()`, with everything that is known before it is sent. */
export interface Call {
  readonly operation: Operation;
  readonly body: ChatBody | EmbeddingBody;
  readonly stream: boolean;
  /** The model or alias asked for; undefined lets the router choose among all. */
  readonly model: string | undefined;
  readonly context: RequestContext;
  /** Estimated. */
  readonly promptTokens: number;
  /** The caller's figure, or what such calls have needed. */
  readonly expectedOutputTokens: number;
  /** The most it may produce, where the caller says so. */
  readonly maxOutputTokens: number | undefined;
  /** On the clock of performance.now(). */
  readonly startedAt: number;
  /** The same clock; Infinity for a stream without a deadline. */
  readonly deadlineAt: number;
  /** Aborts when the caller leaves. */
  readonly signal: CallSignal;
  /** The models to try after the asked one; undefined for the config's. */
  readonly fallbacks: readonly string[] | undefined;
  readonly hedge: boolean;
  /** The one endpoint that may serve it. */
  readonly endpoint: string | undefined;
}

/** The most it may produce, as far as anything tells. */
export function maxOutputOf({ maxOutputTokens, expectedOutputTokens }: Call): number {
  return maxOutputTokens ?? expectedOutputTokens;
}

export function remainingMs(call: Call, now: number): number {
  return call.deadlineAt - now;
}

/** How long a stream without a deadline waits for a place: as long as a whole answer may take by default. */
const STREAM_WAIT_MS = 60_000;

/** The latest time for an attempt to begin, on the clock of performance.now(). */
export function latestStartAt(call: Call): number {
  return Number.isFinite(call.deadlineAt) ? call.deadlineAt : call.startedAt + STREAM_WAIT_MS;
}
