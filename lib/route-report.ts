/*
 * The report of how a call was served, and the types that it consists of. This module contains only types and imports
 * nothing, so that errors can carry the same report as answers.
 */

/** Token counts in the format of the OpenAI API. */
export interface Usage {
  /** Tokens of the prompt. */
  prompt_tokens: number;
  /** Tokens of the output. */
  completion_tokens: number;
  /** Prompt and completion together. */
  total_tokens: number;
  /** Parts of `prompt_tokens`. */
  prompt_tokens_details?: {
    /** Prompt tokens read from the provider's cache. */
    cached_tokens?: number;
    /** Audio tokens in the prompt. */
    audio_tokens?: number;
  };
  /** Parts of `completion_tokens`. */
  completion_tokens_details?: {
    /** Tokens of hidden reasoning. */
    reasoning_tokens?: number;
    /** Audio tokens in the answer. */
    audio_tokens?: number;
  };
}

/** The meaning of an upstream failure, which determines what may be done next. See docs/failure-classes.md. */
export type FailureClass =
  | 'rate_limited'
  | 'too_large'
  | 'quota_exhausted'
  | 'unauthorized'
  | 'model_missing'
  | 'not_served'
  | 'server'
  | 'timeout'
  | 'connection'
  | 'bad_answer'
  | 'context_window'
  | 'content_policy'
  | 'bad_request'
  | 'aborted';

/** One try of a call at one endpoint. Never holds a key or the prompt. */
export interface AttemptReport {
  /** Name of the endpoint. */
  readonly endpoint: string;
  /** Model of the endpoint. */
  readonly model: string;
  /** Failure class; absent on success. */
  readonly class?: FailureClass;
  /** HTTP status of the upstream, if an answer arrived. */
  readonly status?: number;
  /** Error code of the socket or TLS, such as `ECONNREFUSED`, or of the upstream's error body. */
  readonly code?: string;
  /** The upstream's error message, at most 300 characters, with every configured secret replaced. */
  readonly message?: string;
  /** Duration of the attempt in milliseconds. */
  readonly ms: number;
  /** True if the attempt was a hedge. */
  readonly hedge?: boolean;
}

/** Why an endpoint was or was not chosen. */
export interface Verdict {
  /** Name of the endpoint. */
  readonly endpoint: string;
  /**
   * Why the endpoint was not a candidate: the filter that removed it, or what kept it from starting the call, such as
   * its quota or breaker. Absent for a candidate.
   */
  readonly removedBy?: string;
  /** When the endpoint takes calls again, as a Unix time in milliseconds; absent for a candidate and if unknown. */
  readonly until?: number;
  /** The endpoint's score; the strategy chooses the lowest. Absent if the strategy has no scores. */
  readonly score?: number;
  /** The terms that add up to the score. */
  readonly terms?: Record<string, number>;
}

/** How a call was served, or, on an error, how far it got. */
export interface RouteReport {
  /** Id of the request. */
  readonly requestId: string;
  /** Name of the endpoint that served the call, or was serving it when it failed; empty if none did. */
  readonly endpoint: string;
  /** Provider of that endpoint; empty without one. */
  readonly provider: string;
  /** Model of that endpoint; empty without one. */
  readonly model: string;
  /**
   * Set if the answer does not come from an attempt of this call, but from an equal call in flight (`joined`), from a
   * call with the same Idempotency-Key (`replayed`), from the cache (`cached`, or `stale` in an outage), or from a hook
   * (`hook`).
   */
  readonly shared?: 'joined' | 'replayed' | 'cached' | 'stale' | 'hook';
  /** Every attempt, in the order in which they ended. */
  readonly attempts: readonly AttemptReport[];
  /** Milliseconds that the call spent in the wait queue. */
  readonly waitMs: number;
  /** Milliseconds from the start of the call to the first content of a stream. */
  readonly firstTokenMs?: number;
  /** Milliseconds from the start of the call to its end, or until now while it runs. */
  readonly totalMs: number;
  /** Prompt and output tokens of the attempt whose answer was returned, as reported by the upstream or estimated. */
  readonly usage?: Usage;
  /** Price of the answer in US dollars; absent if the endpoint has no price. */
  readonly costUsd?: number;
  /** Tokens used by attempts whose answer was not returned, as reported or estimated. */
  readonly wastedTokens: number;
  /** Price of the wasted tokens in US dollars; absent if it is 0. Tokens of endpoints without a price count as 0. */
  readonly wastedUsd?: number;
  /** One verdict per endpoint, from the decision that led to the last attempt. */
  readonly why: readonly Verdict[];
}

/** Where a call would go now, and why. */
export interface Explanation {
  /** Name of the endpoint that would be chosen; absent if none can serve the call now or later. */
  readonly pick?: string;
  /** Milliseconds until the chosen endpoint could start the call. */
  readonly waitMs?: number;
  /** One verdict per endpoint. */
  readonly verdicts: readonly Verdict[];
}
