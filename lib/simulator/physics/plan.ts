import type { BadAnswer } from './fault';
import type { LimitReading } from './rate-limit';

/** A call as it arrives at a provider. */
export interface ArrivingCall {
  model: string;
  /** Limits are kept for each key. Default: one nameless key. */
  key?: string;
  promptTokens: number;
  /** The caller's bound on the output; absent when it gave none. */
  maxTokens?: number;
  /** How long the answer would be; never above maxTokens. */
  outputTokens: number;
}

/** What a provider is going to do with a call. Times are ms from its arrival. */
export type CallPlan = AnswerPlan | ErrorPlan | SilentPlan | ResetPlan;

export interface AnswerPlan {
  kind: 'answer';
  firstTokenMs: number;
  totalMs: number;
  promptTokens: number;
  outputTokens: number;
  finish: 'stop' | 'length';
  /** What is wrong with the answer, if anything. */
  damage?: Damage;
  limits?: LimitReading;
}

export type Damage = { kind: 'cut' | 'stall'; afterTokens: number } | { kind: 'bad_answer'; form: BadAnswer };

export interface ErrorPlan {
  kind: 'error';
  status: number;
  afterMs: number;
  type: string;
  code: string | null;
  message: string;
  retryAfterS?: number;
  headers?: Record<string, string>;
  limits?: LimitReading;
}

/** Accepted and never answered. */
export interface SilentPlan {
  kind: 'silent';
}

/** The connection is destroyed at once. */
export interface ResetPlan {
  kind: 'reset';
}

/** Tokens of the answer that exist after that many ms. */
export function tokensBy(plan: AnswerPlan, elapsedMs: number): number {
  if (elapsedMs >= plan.totalMs) return plan.outputTokens;
  if (elapsedMs < plan.firstTokenMs) return 0;
  const part = (elapsedMs - plan.firstTokenMs) / (plan.totalMs - plan.firstTokenMs);
  return Math.min(plan.outputTokens, 1 + Math.floor(part * (plan.outputTokens - 1)));
}
