import type { ChatCompletion, EmbeddingResponse } from '../call/answer';
import type { ChatBody, EmbeddingBody, Operation } from '../call/body';
import type { RequestContext } from '../call/context';

/** What a hook gets to know about a call. */
export interface HookCall {
  /** Id of the call, the same in all hooks of one call. */
  readonly requestId: string;
  /** The API operation of the call. */
  readonly operation: Operation;
  /** The request body, as changed by the hooks before this one. To change it, return a new body; don't mutate it. */
  readonly body: ChatBody | EmbeddingBody;
  /** Whether the answer is streamed. */
  readonly stream: boolean;
  /** Type, priority, tenant and the other fields of the call's context. */
  readonly context: Readonly<RequestContext>;
  /** Name of the endpoint that answered; absent in `before` and `text`, and if no endpoint did. */
  readonly endpoint?: string;
  /** Number of answers to this call that `after` hooks have rejected so far. */
  readonly rejected: number;
  /** Shared by all hooks of one call, to pass data from one to the next. */
  readonly state: Record<string, unknown>;
}

/** Refuses a call. The caller gets ERR_AI_CONTENT_POLICY with this status and message. */
export interface HookRefusal {
  /** The error message that the caller gets. */
  readonly message: string;
  /** HTTP status, 400 to 599. Default 400. */
  readonly status?: number | undefined;
}

/** What `before` may return. If it returns nothing, the call goes on unchanged. */
export type BeforeResult =
  | {
      /** Sent in place of the body. `stream` must stay as it is. */
      readonly body: ChatBody | EmbeddingBody;
    }
  | {
      /** Returned to the caller, as a stream if the call is streamed; nothing is sent. */
      readonly answer: ChatCompletion | EmbeddingResponse;
    }
  | {
      /** Ends the call; nothing is sent. */
      readonly refuse: HookRefusal;
    };

/** What `after` may return. If it returns nothing, the answer is accepted. */
export type AfterResult =
  | {
      /** Returned to the caller in place of the answer. */
      readonly answer: ChatCompletion | EmbeddingResponse;
    }
  | {
      /** Ends the call with an error. */
      readonly refuse: HookRefusal;
    }
  | {
      /**
       * Rejects the answer and sends the call again, with another body or to another endpoint. A call is sent again at
       * most three times; then it fails with ERR_AI_ALL_FAILED.
       */
      readonly retry: {
        /**
         * Sent in place of the body, to any endpoint. Default: the same body, to an endpoint without rejected answers.
         */
        readonly body?: ChatBody | EmbeddingBody | undefined;
      };
    };

/** A part of a streamed answer's text that the caller has not received yet. */
export interface TextWindow {
  /** The characters that were held back from the previous window, followed by the text that has arrived since. */
  readonly text: string;
  /** Index of the choice that the text belongs to; 0 unless the request sets `n`. */
  readonly choice: number;
  /** Whether the text of the choice ends with this window. */
  readonly isLast: boolean;
}

/** What `text` may return. If it returns nothing, the window is sent unchanged. */
export type TextResult =
  | {
      /** Sent in place of the window's text. */
      readonly text: string;
      /** Number of characters at the end of `text` to hold back: the next window begins with them. Default 0. */
      readonly hold?: number | undefined;
    }
  | {
      /** Ends the stream with an error before the window is sent. */
      readonly refuse: HookRefusal;
    };

// A function without a return statement returns void.
/* eslint-disable @typescript-eslint/no-invalid-void-type */
/** The return type of a hook's function: a result, nothing, or a promise of either. */
export type HookReturn<R> = R | undefined | void | Promise<R | undefined | void>;
/* eslint-enable @typescript-eslint/no-invalid-void-type */

/**
 * Functions of the app that get every call and its answer, and may change, refuse or replace them. Each may be
 * asynchronous. Several hooks run in the order of the configuration, each on the result of the one before.
 */
export interface Hooks {
  /** Name of the hooks in errors and logs. Default: their position, such as `hooks[0]`. */
  name?: string | undefined;
  /** Runs before the call is routed. */
  before?: ((call: HookCall) => HookReturn<BeforeResult>) | undefined;
  /** Runs on every whole answer, including cached ones. */
  after?:
    | ((call: HookCall, answer: ChatCompletion | EmbeddingResponse) => HookReturn<AfterResult>)
    | undefined;
  /** Runs on the text of every streamed answer, window by window. It does not get tool calls and reasoning. */
  text?: ((call: HookCall, window: TextWindow) => HookReturn<TextResult>) | undefined;
  /** Minimum length of a window of `text`, in characters. Shorter text is buffered. Default 200. */
  windowChars?: number | undefined;
  /** How long each function may take, in milliseconds. Default 5,000. */
  timeoutMs?: number | undefined;
  /**
   * What happens if a function throws, rejects, returns an invalid result or takes too long: 'closed' ends the call
   * with an error, 'open' goes on without the function and logs a warning. Default 'closed'.
   */
  onFailure?: 'closed' | 'open' | undefined;
}

/** Hooks with all defaults filled in. */
export type ResolvedHooks = Readonly<
  Hooks & Required<Pick<Hooks, 'name' | 'windowChars' | 'timeoutMs' | 'onFailure'>>
>;
