import type { ChatBody, EmbeddingBody, Operation, ResponseBody } from './body';
import type { CallSignal } from './call-signal';
import type { RequestContext } from './context';

/** One `req.ai.chat()` or `.embeddings()`, with everything that is known before its first attempt. */
export interface Call {
  readonly operation: Operation;
  readonly body: ChatBody | EmbeddingBody;
  /** Set if the caller made a Responses request. */
  readonly responses?: ResponseRequest | undefined;
  readonly stream: boolean;
  /** The requested model or alias; undefined lets the router choose among all models. */
  readonly model: string | undefined;
  readonly context: RequestContext;
  readonly promptTokens: number;
  /** The caller's estimate, or what similar calls have needed. */
  readonly expectedOutputTokens: number;
  /** The caller's limit on output tokens, over all choices; undefined without one. */
  readonly maxOutputTokens: number | undefined;
  /** Start time, on the clock of performance.now(). */
  readonly startedAt: number;
  /** The deadline, on the same clock; Infinity for a stream without one. */
  readonly deadlineAt: number;
  readonly signal: CallSignal;
  /** Models tried after the requested one; undefined for those of the configuration. */
  readonly fallbacks: readonly string[] | undefined;
  /** False forbids hedging this call. */
  readonly hedge: boolean;
  /** Name of the only endpoint that may serve the call; undefined for any. */
  readonly endpoint: string | undefined;
  /** Names of endpoints that may not serve the call, because the app has rejected their answers; undefined for none. */
  readonly excluded: ReadonlySet<string> | undefined;
}

/** The Responses request behind a chat call. The call's `body` is its translation. */
export interface ResponseRequest {
  /** Sent to an upstream that has the Responses API. */
  readonly body: ResponseBody;
  /** The field that only an upstream with the Responses API understands; undefined if the translation is complete. */
  readonly nativeOnly: string | undefined;
  /**
   * The account at which the provider keeps what the request refers to; undefined if it refers to nothing or the
   * account is unknown.
   */
  readonly keptAt: string | undefined;
  /** Whether every endpoint gets the translation, even one that has the Responses API. */
  readonly isTranslated: boolean;
  /** The call's tenant, if it was known when the call was made. Other tenants can't refer to the response. */
  readonly tenant: string | undefined;
}

/** The largest output to expect, in tokens: the caller's limit, else the estimate. */
export function maxOutputOf({ maxOutputTokens, expectedOutputTokens }: Call): number {
  return maxOutputTokens ?? expectedOutputTokens;
}

/** Whether the expected output is only learnt from other calls, so that it must not be a reason to refuse this one. */
export function isOutputLearnt({ maxOutputTokens, context }: Call): boolean {
  return maxOutputTokens === undefined && context.estimatedOutputTokens === undefined;
}

/** Milliseconds until the deadline; negative after it. */
export function remainingMs(call: Call, now: number): number {
  return call.deadlineAt - now;
}

/** How long a stream without a deadline waits for an attempt slot: the default deadline of a whole answer. */
const STREAM_WAIT_MS = 60_000;

/** The latest time at which an attempt can start, on the clock of performance.now(). */
export function latestStartAt(call: Call): number {
  return Number.isFinite(call.deadlineAt) ? call.deadlineAt : call.startedAt + STREAM_WAIT_MS;
}
