import type { SpendLimits } from '../budget/options';
import type { ChatCompletion } from '../call/answer';
import type { ChatBody } from '../call/body';
import type { RequestContext } from '../call/context';
import type { FailureClass } from '../failure/classes';

/**
 * A model or endpoint that gets copies of a share of the chat calls. Its answers are thrown away once `compare` has seen
 * them. Name one of `model` and `endpoint`.
 */
export interface ShadowOptions extends SpendLimits {
  /** The model whose endpoints get the copies. */
  model?: string;
  /** Name of the endpoint that gets the copies. With weight 0 it serves no calls of its own. */
  endpoint?: string;
  /** The model or alias whose calls are copied. Default: all chat calls that another endpoint or model has answered. */
  replaces?: string;
  /** The share of the calls that are copied, above 0 and at most 1. */
  share: number;
  /** The most copies that run at a time, their `compare` included. Others are skipped. Default 4. */
  maxConcurrent?: number;
  /** How long a copy, and then `compare`, may take, in milliseconds. Default 60,000. */
  timeoutMs?: number;
  /**
   * Sees both answers, or the failure of the copy. May be asynchronous. If it fails, a warning is logged. Default: none; the
   * event 'shadow' has the figures.
   */
  compare?(pair: ShadowPair): unknown;
}

/** The options with every default filled in. */
export interface ResolvedShadow
  extends Readonly<Pick<ShadowOptions, 'model' | 'endpoint' | 'replaces' | 'share' | 'compare'>> {
  readonly maxConcurrent: number;
  readonly timeoutMs: number;
  readonly limits: Readonly<SpendLimits>;
}

/** Who answered, and what it took. */
export interface ShadowAnswerer {
  /** Name of the endpoint. */
  readonly endpoint: string;
  /** Its model. */
  readonly model: string;
  /** Milliseconds of the whole answer. Of the live call: from its start, waiting and failed attempts included. */
  readonly ms: number;
  /** US dollars; absent where the endpoint has no price. */
  readonly costUsd?: number;
}

/** A call's own answer and that of its copy. */
export interface ShadowPair {
  /** The call that was copied. */
  readonly call: {
    /** As in its route report. */
    readonly requestId: string;
    /** The body that was sent, as the hooks have left it. */
    readonly body: ChatBody;
    /** Type, priority, tenant and the other needs of the call. */
    readonly context: Readonly<RequestContext>;
  };
  /** What the caller got. A stream is put together. */
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

/** A copy of a call has ended. It holds no prompt and no answer. */
export interface ShadowEvent {
  /** Id of the call that was copied. */
  readonly requestId: string;
  /** The endpoint of the copy. */
  readonly endpoint: string;
  /** Its model. */
  readonly model: string;
  /** Why it failed; absent if it was answered. */
  readonly failure?: FailureClass;
  /** Milliseconds that the copy took. */
  readonly ms: number;
  /** US dollars of the copy; absent where the endpoint has no price. */
  readonly costUsd?: number;
  /** Milliseconds of the call that was copied, from its start to the whole answer. */
  readonly liveMs: number;
  /** US dollars of the call that was copied; absent where its endpoint has no price. */
  readonly liveCostUsd?: number;
}

/** What became of the copies. */
export interface ShadowStats {
  /** Name of the model or endpoint. */
  readonly name: string;
  /** Copies that run now. */
  readonly running: number;
  /** Copies that were answered. */
  readonly answered: number;
  /** Copies that failed. */
  readonly failed: number;
  /** Calls of the share that were not copied, by reason. */
  readonly skipped: {
    /** `maxConcurrent` copies were running. */
    readonly concurrency: number;
    /** The endpoint was unavailable or busy, live calls needed its quota, or it can't serve such a call. */
    readonly capacity: number;
    /** The shadow's budget was spent. */
    readonly budget: number;
  };
}
