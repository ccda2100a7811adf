import type { BadAnswer } from './fault';
import type { LimitReading } from './rate-limit';

/** A call as it arrives at a provider. */
export interface ArrivingCall {
  /** The model that the call requests. */
  model: string;
  /** The API key, or anything that identifies it. Each key has its own limits. Default: one shared key. */
  key?: string;
  /** Length of the prompt, in tokens. */
  promptTokens: number;
  /** The caller's max_tokens. Default: no bound. */
  maxTokens?: number;
  /** Tokens that the model would generate without `maxTokens`, at which the answer is cut off. */
  outputTokens: number;
}

/** What a provider will do with a call. Times are milliseconds from the call's arrival. */
export type CallPlan = AnswerPlan | ErrorPlan | SilentPlan | ResetPlan;

/** The call is answered with status 200. */
export interface AnswerPlan {
  /** Selects this plan. */
  kind: 'answer';
  /** Milliseconds from arrival to the first token. */
  firstTokenMs: number;
  /** Milliseconds from arrival to the last token. */
  totalMs: number;
  /** Length of the prompt, in tokens. */
  promptTokens: number;
  /** Length of the answer, in tokens. */
  outputTokens: number;
  /** The finish reason: 'length' if max_tokens cut the answer off. */
  finish: 'stop' | 'length';
  /** How the answer is broken, if a fault applies. */
  damage?: Damage;
  /** Limits for the x-ratelimit-* headers. */
  limits?: LimitReading;
}

/** How an answer is broken. */
export type Damage = BreakOff | MalformedAnswer;

/** The answer breaks off after some of its tokens. */
export interface BreakOff {
  /** 'cut' destroys the socket, 'stall' leaves it open. */
  kind: 'cut' | 'stall';
  /** Tokens sent before the break. */
  afterTokens: number;
}

/** The answer has status 200 but is malformed. */
export interface MalformedAnswer {
  /** Selects this damage. */
  kind: 'bad_answer';
  /** The form of the malformed answer. */
  form: BadAnswer;
}

/** Why a provider refuses a call. API formats other than OpenAI's choose their own status and wording by it. */
export type RefusalReason =
  | 'rate_limited'
  | 'too_large'
  | 'quota_exhausted'
  | 'unauthorized'
  | 'model_missing'
  | 'context_window'
  | 'overloaded'
  | 'server_error';

/** The call gets an error answer. */
export interface ErrorPlan {
  /** Selects this plan. */
  kind: 'error';
  /** HTTP status. */
  status: number;
  /** Milliseconds from arrival to the answer. */
  afterMs: number;
  /** `error.type` of the body. */
  type: string;
  /** `error.code` of the body. */
  code: string | null;
  /** `error.message` of the body. */
  message: string;
  /** Why the call is refused; undefined for the fault `error`, which has its own text. */
  reason?: RefusalReason;
  /** The tokens that the call wanted and the context window that they exceed. */
  exceeded?: {
    /** Tokens of the prompt and max_tokens. */
    wanted: number;
    /** The context window, in tokens. */
    limit: number;
  };
  /** Retry-After in seconds; undefined for no such header. */
  retryAfterS?: number;
  /** Further headers of the answer. */
  headers?: Record<string, string>;
  /** Limits for the x-ratelimit-* headers. */
  limits?: LimitReading;
}

/** The call is accepted and never answered. */
export interface SilentPlan {
  /** Selects this plan. */
  kind: 'silent';
}

/** The connection is destroyed at once. */
export interface ResetPlan {
  /** Selects this plan. */
  kind: 'reset';
}

/** Number of answer tokens that have been generated `elapsedMs` after the call's arrival. */
export function tokensAt(plan: AnswerPlan, elapsedMs: number): number {
  if (elapsedMs >= plan.totalMs) return plan.outputTokens;
  if (elapsedMs < plan.firstTokenMs) return 0;
  const part = (elapsedMs - plan.firstTokenMs) / (plan.totalMs - plan.firstTokenMs);
  return Math.min(plan.outputTokens, 1 + Math.floor(part * (plan.outputTokens - 1)));
}
