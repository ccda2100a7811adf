import type { SpendLimits } from '../budget/options';
import type { ChatCompletion } from '../call/answer';
import type { ChatBody } from '../call/body';
import type { RequestContext } from '../call/context';
import type { FailureClass } from '../failure/classes';

/**
 * A model or endpoint that gets copies of a share of the chat calls. Its answers are discarded after `compare` has
 * received them. Set either `model` or `endpoint`.
 */
export interface ShadowOptions extends SpendLimits {
  /** The model whose endpoints get the copies. */
  model?: string | undefined;
  /** Name of the endpoint that gets the copies. An endpoint with weight 0 gets only copies and no live calls. */
  endpoint?: string | undefined;
  /** The model or alias whose calls are copied. Default: all chat calls that were not answered by the shadow itself. */
  replaces?: string | undefined;
  /** Share of the calls that are copied, above 0 and at most 1. */
  share: number;
  /** Maximum number of concurrent copies, including their `compare`. Further copies are skipped. Default 4. */
  maxConcurrent?: number | undefined;
  /** How long a copy may take, in milliseconds; the same time again applies to `compare`. Default 60,000. */
  timeoutMs?: number | undefined;
  /**
   * Receives both answers, or the failure of the copy. May be asynchronous. If it fails, a warning is logged. Default:
   * none; durations and costs are also in the event 'shadow'.
   */
  compare?: ((pair: ShadowPair) => unknown) | undefined;
}

/** The options with all defaults filled in. */
export interface ResolvedShadow
  extends Readonly<Pick<ShadowOptions, 'model' | 'endpoint' | 'replaces' | 'share' | 'compare'>> {
  readonly maxConcurrent: number;
  readonly timeoutMs: number;
  readonly limits: Readonly<SpendLimits>;
}

/** The endpoint that answered, and the duration and cost of the answer. */
export interface ShadowAnswerer {
  /** Name of the endpoint. */
  readonly endpoint: string;
  /** Model of the endpoint. */
  readonly model: string;
  /** Milliseconds until the whole answer. For the live call this includes its wait and its failed attempts. */
  readonly ms: number;
  /** Price in US dollars; absent if the endpoint has no price. */
  readonly costUsd?: number;
}

/** The answer to a call and the answer to its copy. */
export interface ShadowPair {
  /** The call that was copied. */
  readonly call: {
    /** Id of the call, as in its route report. */
    readonly requestId: string;
    /** The body that was sent, as changed by the hooks. */
    readonly body: ChatBody;
    /** Type, priority, tenant and the other fields of the call's context. */
    readonly context: Readonly<RequestContext>;
  };
  /** What the caller got. A stream is assembled to a whole answer. */
  readonly live: ShadowAnswerer & {
    /** The whole answer. */
    readonly answer: ChatCompletion;
  };
  /** What the copy got: an answer, or a failure. */
  readonly shadow: ShadowAnswerer & {
    /** The whole answer; absent if the copy failed. */
    readonly answer?: ChatCompletion;
    /** Why the copy failed; absent if it was answered. */
    readonly failure?: {
      /** The failure class. */
      readonly class: FailureClass;
      /** HTTP status, if there was an answer. */
      readonly status?: number;
      /** The upstream's message, without secrets. */
      readonly message: string;
    };
  };
}

/** A copy of a call has ended. The event contains no prompt and no answer. */
export interface ShadowEvent {
  /** Id of the call that was copied. */
  readonly requestId: string;
  /** Name of the endpoint that got the copy. */
  readonly endpoint: string;
  /** Model of the endpoint. */
  readonly model: string;
  /** Failure class of the copy; absent if it was answered. */
  readonly failure?: FailureClass;
  /** Milliseconds that the copy took. */
  readonly ms: number;
  /** Price of the copy in US dollars; absent if the endpoint has no price. */
  readonly costUsd?: number;
  /** Milliseconds of the call that was copied, from its start to the whole answer. */
  readonly liveMs: number;
  /** Price of the call that was copied, in US dollars; absent if its endpoint has no price. */
  readonly liveCostUsd?: number;
}

/** Number of copies by result. */
export interface ShadowStats {
  /** Name of the model or endpoint. */
  readonly name: string;
  /** Copies that are running now. */
  readonly running: number;
  /** Copies that were answered. */
  readonly answered: number;
  /** Copies that failed. */
  readonly failed: number;
  /** Calls of the share that were not copied, by reason. */
  readonly skipped: {
    /** `maxConcurrent` copies were running. */
    readonly concurrency: number;
    /**
     * No endpoint had capacity to spare: unavailable, busy, quota needed by live calls, or unable to serve the call.
     */
    readonly capacity: number;
    /** The shadow's budget was spent. */
    readonly budget: number;
  };
}
