import type { AttemptSummary, RouteSummary } from '../errors';
import type { FailureClass } from '../failure/classes';
import type { Usage } from './answer';

/** One try of a call on one endpoint. */
export interface AttemptReport extends AttemptSummary {
  readonly class?: FailureClass;
}

/** Why an endpoint was or was not chosen. */
export interface Verdict {
  readonly endpoint: string;
  /** The filter that removed it. */
  readonly removedBy?: string;
  /** The strategy's score, where it has one: the least wins. */
  readonly score?: number;
  readonly terms?: Record<string, number>;
}

/** How a call was served. */
export interface RouteReport extends RouteSummary {
  readonly endpoint: string;
  readonly provider: string;
  readonly model: string;
  /** The answer is another call's: one that was under way, or one under the same Idempotency-Key. */
  readonly shared?: 'joined' | 'replayed';
  readonly attempts: readonly AttemptReport[];
  /** Milliseconds in the wait queue. */
  readonly waitMs: number;
  /** Milliseconds from the call to the first content of a stream. */
  readonly firstTokenMs?: number;
  readonly totalMs: number;
  readonly usage?: Usage;
  /** Absent where the endpoint has no price. */
  readonly costUsd?: number;
  /** Tokens of attempts that led to no answer, as far as known or estimated. */
  readonly wastedTokens: number;
  /** One verdict for each endpoint, from the pick that led to the answer. */
  readonly why: readonly Verdict[];
}

/** Where a call would go, and why. Nothing was sent. */
export interface Explanation {
  readonly pick?: string;
  /** Milliseconds until the pick could start. */
  readonly waitMs?: number;
  readonly verdicts: readonly Verdict[];
}
