import type { ChatCompletion, EmbeddingResponse } from '../call/answer';
import type { ChatBody, EmbeddingBody, Operation } from '../call/body';
import type { RequestContext } from '../call/context';

/** What a hook knows of a call. */
export interface HookCall {
  /** Id of the call, the same in all hooks of one call. */
  readonly requestId: string;
  /** What the call asks for. */
  readonly operation: Operation;
  /** The request body, as the hooks before this one have left it. Return a new one rather than change it. */
  readonly body: ChatBody | EmbeddingBody;
  /** Whether the answer is streamed. */
  readonly stream: boolean;
  /** Type, priority, tenant and the other needs of the call. */
  readonly context: Readonly<RequestContext>;
  /** Name of the endpoint that answered; absent in `before` and where no endpoint did. */
  readonly endpoint?: string;
  /** How many answers to this call `after` has rejected so far. */
  readonly rejected: number;
  /** For the app's own use: what one hook of a call puts here, the later ones of the same call find. */
  readonly state: Record<string, unknown>;
}

/** Refuses a call. The caller gets ERR_AI_CONTENT_POLICY with this status and message. */
export interface HookRefusal {
  /** What the caller may read. */
  readonly message: string;
  /** HTTP status, 400 to 599. Default 400. */
  readonly status?: number;
}

/** What `before` may return; nothing lets the call go on as it is. */
export type BeforeResult =
  | {
      /** Sent in place of the body. `stream` must stay as it is. */
      readonly body: ChatBody | EmbeddingBody;
    }
  | {
      /** Given to the caller; nothing is sent. A streamed call gets it as a stream. */
      readonly answer: ChatCompletion | EmbeddingResponse;
    }
  | {
      /** Ends the call; nothing is sent. */
      readonly refuse: HookRefusal;
    };

/** What `after` may return; nothing accepts the answer. */
export type AfterResult =
  | {
      /** Given to the caller in place of the answer. */
      readonly answer: ChatCompletion | EmbeddingResponse;
    }
  | {
      /** Ends the call with an error. */
      readonly refuse: HookRefusal;
    }
  | {
      /**
       * Rejects the answer and asks once more: with another body, or else at another endpoint. A call is asked again at most
       * three times; then it fails with ERR_AI_ALL_FAILED.
       */
      readonly retry: {
        /** Sent in place of the body, to any endpoint. Default: the same body, to an endpoint that was not rejected. */
        readonly body?: ChatBody | EmbeddingBody;
      };
    };

/** A part of a streamed answer's text, before the caller has it. */
export interface TextWindow {
  /** The text since the window before, with what that one has held back. */
  readonly text: string;
  /** Position of the choice that it belongs to; 0 unless the request sets `n`. */
  readonly choice: number;
  /** Whether the text of the choice ends here. */
  readonly isLast: boolean;
}

/** What `text` may return; nothing sends the window as it is. */
export type TextResult =
  | {
      /** Sent in place of the window's text. */
      readonly text: string;
      /** So many characters at the end of `text` are not sent yet: the next window begins with them. Default 0. */
      readonly hold?: number;
    }
  | {
      /** Ends the stream with an error before the window is sent. */
      readonly refuse: HookRefusal;
    };

// A function without a return statement returns void.
/* eslint-disable @typescript-eslint/no-invalid-void-type */
/** What a hook's function may return: a result, nothing, or a promise of either. */
export type HookReturn<R> = R | undefined | void | Promise<R | undefined | void>;
/* eslint-enable @typescript-eslint/no-invalid-void-type */

/**
 * Functions of the app that see every call and its answer. Each may be asynchronous. Several hooks run in the order of the
 * configuration, each on what the one before has returned.
 */
export interface Hooks {
  /** Names the hooks in errors and logs. Default: their position, such as `hooks[0]`. */
  name?: string;
  /** Runs before the call is routed. */
  before?(call: HookCall): HookReturn<BeforeResult>;
  /** Runs on every whole answer; also on a cached one. */
  after?(call: HookCall, answer: ChatCompletion | EmbeddingResponse): HookReturn<AfterResult>;
  /** Runs on the text of every streamed answer, window by window. Tool calls and reasoning pass it. */
  text?(call: HookCall, window: TextWindow): HookReturn<TextResult>;
  /** Characters of a window of `text`; the caller gets nothing of it earlier. Default 200. */
  windowChars?: number;
  /** How long each function may take, in milliseconds. Default 5,000. */
  timeoutMs?: number;
  /**
   * What happens if a function throws, rejects, returns something else or takes too long: 'closed' ends the call with an
   * error, 'open' goes on without it and logs a warning. Default 'closed'.
   */
  onFailure?: 'closed' | 'open';
}

/** Hooks with every default filled in. */
export type ResolvedHooks = Readonly<
  Hooks & Required<Pick<Hooks, 'name' | 'windowChars' | 'timeoutMs' | 'onFailure'>>
>;
